# METADATA
# title: The deny pass
# description: >-
#   Looks at every role of the user before anything is allowed. In a deny block labels, database users and rules each
#   suffice, and one match in any role is final. A role that is not loaded cannot be shown not to deny.
package postern.deny

import data.postern.match

default clear := false

# METADATA
# title: Clear
# description: True when every role of the user is loaded and none denies the request.
# scope: document
clear if {
	compiled := data.postern.compiled
	every name in input.user.roles {
		_is_clear(compiled.roles[name], compiled.indexes)
	}
	not _denies_readings
}

# No call with an argument that may be absent is ever negated: it would be undefined, not true.
_is_clear(role, indexes) if not _role_denies(role, indexes)

_role_denies(role, indexes) if _denies(role.deny, indexes)

_denies(block, indexes) if {
	match.denies_labels(block.labels)
} else if {
	match.denies_user(block.users)
} else if {
	index := indexes[block.rules.index]
	some [action, access] in _deeds
	some number in index[action]
	denies_rule(block.rules.list[number], access)
}

# What the request does: each access by its action, and by each of its effects.
_deeds := [[action, access] |
	some access in input.request.accesses
	some action in array.concat([access.action], object.get(access, "effects", []))
]

# A role denies what a write reads; most requests hold no such write. One that does not say its level may be one.
_denies_readings if {
	some access in input.request.accesses
	not access.level == "read"
	_may_read(access)
	some name in input.user.roles
	block := data.postern.compiled.roles[name].deny
	some number in data.postern.compiled.indexes[block.rules.index]["dynamodb:GetItem"]
	_denies_reading(block.rules.list[number], access)
}

# METADATA
# title: Denying rules
# description: >-
#   Numbers of the block's rules that deny the access: by its action, by any of its effects, or by what a write reads.
denying_rules(block, access) := acting_rules(block, access) | _reading_rules(block, access)

# METADATA
# title: Denying rules, by action
# description: Those of them that name the access's action or one of its effects.
acting_rules(block, access) := {number |
	some action in array.concat([access.action], object.get(access, "effects", []))
	some number in data.postern.compiled.indexes[block.rules.index][action]
	denies_rule(block.rules.list[number], access)
}

# A condition tests what it reads, and the right-hand side of an update copies it to where it can be read. Who denies the
# reading of some attributes means that too.
_reading_rules(block, access) := {number |
	_may_read(access)
	some number in data.postern.compiled.indexes[block.rules.index]["dynamodb:GetItem"]
	_denies_reading(block.rules.list[number], access)
}

_may_read(access) if {
	access.action in _reading_writes
	access.reads != []
} else if _is_untold(access)

_denies_reading(rule, access) if {
	rule.narrow.attributes
	in_resource(rule, access)
	_in_indexes(rule.narrow, access)
	match.denies_conditions(rule.narrow, access)
	in_keys(rule.narrow, access)
	_reads_any(rule.narrow.attributes, access)
}

_reads_any(attributes, access) if {
	_is_untold(access)
} else if {
	some attribute in access.reads
	match.overlaps(attributes, attribute)
}

# Such a write always names an attribute, of its key at least: where none is told they were too many.
_is_untold(access) if {
	access.action in _reading_writes
	not access.attributes_known == true
	access.attributes == []
}

_reading_writes := {
	"dynamodb:PutItem",
	"dynamodb:UpdateItem",
	"dynamodb:DeleteItem",
	"dynamodb:PartiQLUpdate",
	"dynamodb:PartiQLDelete",
}

# METADATA
# title: Rule
# description: True when nothing in the rule excludes the access, whatever its action; what cannot be proven is not excluded.
denies_rule(rule, access) if {
	not rule.narrow
	in_resource(rule, access)
} else if {
	in_resource(rule, access)
	_in_indexes(rule.narrow, access)
	match.denies_conditions(rule.narrow, access)
	in_keys(rule.narrow, access)
	in_attributes(rule.narrow, access)
}

# METADATA
# title: Proof
# description: >-
#   True when a rule that denies the access does so for what is known of its keys and attributes, not for what is not: no
#   proof could lift the denial.
is_proven(rule, access) if {
	not rule.narrow
} else if {
	has_proven_keys(rule.narrow, access)
	_has_proven_attributes(rule.narrow, access)
}

# METADATA
# title: Proof of keys
# description: >-
#   True when a rule that denies the access does not ask for keys, or denies for what no proof of keys, or of whose they are,
#   could change: the index, or one of the keys that are known.
has_proven_keys(narrow, access) if {
	not narrow.leading_keys
	_has_proven_scan(narrow, access)
} else if {
	is_of_any_partition(narrow, access)
	_has_proven_scan(narrow, access)
} else if {
	some key in access.leading_keys
	match.denies(narrow.leading_keys, key)
	_has_proven_scan(narrow, access)
}

# METADATA
# title: Of any partition
# description: >-
#   True of an access to an index that has another partition key than the table, when the rule is about partitions of the
#   table: whatever is proven of the index's keys, the items may be those that are denied.
is_of_any_partition(narrow, access) if {
	narrow.leading_keys
	not narrow.indexes
	access.own_keys == false
}

_has_proven_scan(narrow, access) if {
	not narrow.scans
} else if {
	not match.may_be_lookup(access)
}

_has_proven_attributes(narrow, access) if {
	not narrow.attributes
} else if {
	access.attributes_known == true
} else if {
	match.is_replacing(access)
} else if {
	some attribute in access.attributes
	match.overlaps(narrow.attributes, attribute)
}

# METADATA
# title: Tables and other resources
# description: >-
#   A rule that names resources but no tables is about those resources alone. The ARN of a table among them means a replica
#   in that region, and the table itself where that is the database's own.
in_resource(rule, access) if {
	not rule.tables
	not rule.resources
} else if {
	is_string(access.table)
	match.denies(rule.tables, access.table)
} else if {
	match.is_outside(access)
	match.denies(rule.resources, access.arn)
} else if {
	is_string(access.table)
	match.denies(rule.homes, match.table_arn(access))
}

_in_indexes(narrow, access) if {
	not narrow.indexes
} else if {
	is_null(access.index)
} else if {
	match.denies(narrow.indexes, access.index)
}

# METADATA
# title: Leading keys
# description: >-
#   True when any partition key value matches, or they are not all known. A rule without indexes is about partitions of the
#   table, and keys that are not known to be the table's own say nothing of those.
in_keys(narrow, access) if {
	not narrow.leading_keys
} else if {
	not access.keys_known == true
} else if {
	not access.own_keys == true
	not narrow.indexes
} else if {
	some key in access.leading_keys
	match.denies(narrow.leading_keys, key)
}

# METADATA
# title: Attributes
# description: True when any attribute overlaps a path of the rule, they are not all known, or whole items are lost.
in_attributes(narrow, access) if {
	not narrow.attributes
} else if {
	not access.attributes_known == true
} else if {
	access.whole_item
} else if {
	some attribute in access.attributes
	match.overlaps(narrow.attributes, attribute)
}
