# METADATA
# title: The allow pass
# description: >-
#   For every access of the request one single role must satisfy labels, database user and one of its rules together.
#   Different accesses of one request may be allowed by different roles.
package postern.allow

import data.postern.match

# METADATA
# title: Eligible roles
# description: The user's roles that allow this database with this database user, in the user's order.
eligible := [name | some [name, _] in _blocks]

# METADATA
# title: Roles by access
# description: For each access, in order, the eligible roles that allow it.
by_access := [[name | some [name, block] in _blocks; permits(block, access)] | some access in input.request.accesses]

# Name and allow block of the eligible roles.
_blocks := [[name, block] |
	roles := data.postern.compiled.roles
	labels := input.database.labels
	some name in input.user.roles
	block := roles[name].allow
	match.allows_labels(block.labels, labels)
	match.allows_user(block.users)
]

default granted := false

# METADATA
# title: Granted
# description: True when there is an access and every one is allowed by a role.
# scope: document
granted if {
	by_access != []
	not [] in by_access
}

# METADATA
# title: Roles
# description: The roles that allowed an access, sorted.
roles := by_access[0] if {
	count(by_access) == 1
} else := sort({name | some names in by_access; some name in names})

# METADATA
# title: Permits
# description: True when the allow block has no rules, or one of them allows the access.
permits(block, access) if {
	not block.rules
} else if {
	some number in data.postern.compiled.indexes[block.rules.index][access.action]
	allows_rule(block.rules.list[number], access)
}

# METADATA
# title: Rule
# description: True when the rule's resource, conditions, keys and attributes all allow the access, whatever its action.
allows_rule(rule, access) if {
	not rule.narrow
	in_resource(rule, access)
} else if {
	in_resource(rule, access)
	in_indexes(rule.narrow, access)
	match.conditions(rule.narrow, access)
	in_keys(rule.narrow, access)
	in_attributes(rule.narrow, access)
}

# METADATA
# title: Tables and other resources
# description: >-
#   An access without a table is allowed by a rule that names neither tables nor resources. What is no part of DynamoDB,
#   such as a bucket, is allowed by a rule whose resources name it, whatever its tables.
in_resource(rule, access) if {
	is_string(access.table)
	not rule.tables
} else if {
	is_string(access.table)
	match.value(rule.tables, access.table)
} else if {
	is_null(access.table)
	not rule.tables
	not rule.resources
} else if {
	match.is_outside(access)
	match.value(rule.resources, access.arn)
}

# METADATA
# title: Indexes
# description: They narrow accesses to an index, never those to the table itself.
in_indexes(narrow, access) if {
	not narrow.indexes
} else if {
	is_null(access.index)
} else if {
	match.value(narrow.indexes, access.index)
}

# METADATA
# title: Leading keys
# description: >-
#   Every partition key value is known, there is at least one, and each matches. Of an index they are the index's own, as with
#   IAM's dynamodb:LeadingKeys: own_keys does not matter here.
in_keys(narrow, access) if {
	not narrow.leading_keys
} else if {
	access.keys_known == true
	access.leading_keys != []
	every key in access.leading_keys {
		match.value(narrow.leading_keys, key)
	}
}

# METADATA
# title: Attributes
# description: Every attribute is known, each lies within a path of the rule, and no other is lost with the item.
in_attributes(narrow, access) if {
	not narrow.attributes
} else if {
	access.attributes_known == true
	not access.whole_item
	every attribute in access.attributes {
		match.value(narrow.attributes.within, attribute)
	}
}
