# METADATA
# title: Reasons
# description: >-
#   Says why a request is denied, in words for somebody who was about to do something else. Evaluated for denials only.
package postern.reasons

import data.postern.allow
import data.postern.deny
import data.postern.extensions
import data.postern.match

# METADATA
# title: Ordered
# description: The first sixteen reasons; those that concern the whole request come first, then by access.
ordered := array.slice([reason | some [_, _, _, _, reason] in _sorted], 0, 16)

# METADATA
# title: Denials
# description: What denies the request, whatever else might allow it.
# scope: document
denials contains _reason("no_roles", message, null, null) if {
	not input.user.roles[0]
	message := concat("", ["user ", _quote(input.user.name), " holds no role"])
}

denials contains _reason("role_unknown", message, null, name) if {
	some name in input.user.roles
	not data.postern.compiled.roles[name]
	message := concat("", [
		"user ", _quote(input.user.name), " holds role ", _quote(name),
		", which is not loaded, so what it denies cannot be known",
	])
}

denials contains _reason("labels_denied", message, null, name) if {
	some name in input.user.roles
	labels := data.postern.compiled.roles[name].deny.labels
	match.denies_labels(labels)
	message := concat("", [
		"role ", _quote(name), " denies database ", _quote(input.database.name), " by its labels",
		_label_note(labels),
	])
}

denials contains _reason("db_user_denied", message, null, name) if {
	some name in input.user.roles
	users := data.postern.compiled.roles[name].deny.users
	match.denies_user(users)
	message := concat("", ["role ", _quote(name), " denies database user ", _quote(input.db_user), _user_note(users)])
}

denials contains _reason("rule_denied", message, number, name) if {
	some number in _denied_accesses
	access := input.request.accesses[number]
	some name in input.user.roles
	block := data.postern.compiled.roles[name].deny
	rule := min(_proven_rules(block, access))
	message := concat("", [_denial(name, access, rule), _rule_note(block.rules.list[rule], access)])
}

# METADATA
# title: Custom denials
# description: What the policy packages of this installation deny; they may have looked at keys that are not proven.
# scope: document
custom contains _reason("custom_denied", message, denial.access, null) if {
	some denial in extensions.denials
	message := concat("", ["policy package ", _quote(denial.package), ": ", denial.message])
}

# METADATA
# title: Absences
# description: What nothing allows; asked only when nothing denies.
# scope: document
absences contains _reason("db_user_invalid", message, null, null) if {
	not match.role_path
	message := concat("", [
		"database user ", _quote(input.db_user), " is not an AWS role of account ",
		input.database.account_id, " of database ", _quote(input.database.name),
	])
}

absences contains _reason("role_not_matched", message, null, null) if {
	match.role_path
	allow.eligible == []
	message := concat("", [
		"no role of user ", _quote(input.user.name), " allows database ", _quote(input.database.name),
		" with database user ", _quote(input.db_user), ": ",
		_list([concat("", ["role ", _quote(name), " ", _mismatch(name)]) | some name in input.user.roles], "; "),
	])
}

absences contains _reason("rule_not_matched", message, number, null) if {
	allow.eligible != []
	some number in array.slice([at | some at in _unmatched; not _is_waiting(input.request.accesses[at])], 0, 8)
	access := input.request.accesses[number]
	message := _absence(access, _cause(access))
}

# METADATA
# title: Proofs that are missing
# description: >-
#   What is denied only because partition keys or attributes are not proven; told when nothing else denies the request and
#   nothing else is absent, since the gateway then asks for the table's schema and asks again.
# scope: document
unproven contains _reason("keys_unproven", message, number, name) if {
	some number in _waiting_denials
	access := input.request.accesses[number]
	some name in input.user.roles
	block := data.postern.compiled.roles[name].deny
	rule := min(deny.denying_rules(block, access))
	_needs_keys(block.rules.list[rule], access)
	message := concat("", [_denial(name, access, rule), _keys_note])
}

unproven contains _reason("attributes_unproven", message, number, name) if {
	some number in _waiting_denials
	access := input.request.accesses[number]
	some name in input.user.roles
	block := data.postern.compiled.roles[name].deny
	rule := min(deny.denying_rules(block, access))
	not _needs_keys(block.rules.list[rule], access)
	message := concat("", [_denial(name, access, rule), _attributes_note])
}

unproven contains _reason("keys_unproven", message, number, null) if {
	some number in _waiting_absences
	access := input.request.accesses[number]
	_waits_for_keys(access)
	message := _absence(access, "its partition keys cannot be proven")
}

unproven contains _reason("attributes_unproven", message, number, null) if {
	some number in _waiting_absences
	access := input.request.accesses[number]
	not _waits_for_keys(access)
	message := _absence(access, "it does not say which attributes it touches, and only some are allowed")
}

_absence(access, cause) := concat("", [
	"no rule of ", _list([_quote(name) | some name in allow.eligible], ", "), " allows ", _subject(access), ": ",
	cause,
])

_denial(name, access, rule) := concat("", [
	"role ", _quote(name), " denies ", _subject(access), " (spec.deny.db_rules[", json.marshal(rule), "])",
])

_unmatched := [at | some at, names in allow.by_access; names == []]

_waiting_absences := array.slice(
	[at | allow.eligible != []; some at in _unmatched; _is_waiting(input.request.accesses[at])],
	0, 8,
)

_waiting_denials := array.slice(
	[at | some at, access in input.request.accesses; _is_denied(access); not _is_proven_denied(access)],
	0, 8,
)

# A rule would allow the access if what it asks of keys or attributes were proven.
_is_waiting(access) if {
	some rule in _candidates(access)
	_waits(rule, access)
}

_waits_for_keys(access) if {
	some rule in _candidates(access)
	_waits(rule, access)
	_needs_keys(rule, access)
}

_waits(rule, access) if {
	allow.in_resource(rule, access)
	allow.in_indexes(rule.narrow, access)
	_may_be_conditions(rule.narrow, access)
	_may_be_keys(rule.narrow, access)
	_may_be_attributes(rule.narrow, access)
}

# Whether a statement is a full scan depends on whether its keys are proven.
_may_be_conditions(narrow, access) if {
	match.conditions(narrow, access)
} else if {
	not access.keys_known
	match.conditions(narrow, object.union(access, {"full_scan": false}))
}

_may_be_keys(narrow, access) if {
	allow.in_keys(narrow, access)
} else if {
	not access.keys_known
}

_may_be_attributes(narrow, access) if {
	allow.in_attributes(narrow, access)
} else if {
	not access.attributes_known
}

_needs_keys(rule, access) if {
	rule.narrow.leading_keys
	not access.keys_known
} else if {
	rule.narrow.scans
	not access.keys_known
}

_keys_note := ": its partition keys cannot be proven"

_attributes_note := ": its attributes are not all known"

_sorted := sort({_sortable(reason) | some reason in (denials | custom)}) if {
	count(denials) > 0
} else := sort({_sortable(reason) | some reason in (custom | absences)}) if {
	count(custom) + count(absences) > 0
} else := sort({_sortable(reason) | some reason in unproven})

_sortable(reason) := [reason.access, reason.code, reason.role, reason.message, reason]

_reason(code, message, access, role) := {"code": code, "message": message, "access": access, "role": role}

# The first eight accesses that a rule denies: a batch of a hundred must not make a page of text.
_denied_accesses := array.slice(
	[number | some number, access in input.request.accesses; _is_proven_denied(access)],
	0, 8,
)

_is_denied(access) if {
	some name in input.user.roles
	count(deny.denying_rules(data.postern.compiled.roles[name].deny, access)) > 0
}

_is_proven_denied(access) if {
	some name in input.user.roles
	count(_proven_rules(data.postern.compiled.roles[name].deny, access)) > 0
}

_proven_rules(block, access) := {rule |
	some rule in deny.denying_rules(block, access)
	deny.is_proven(block.rules.list[rule], access)
}

_mismatch(name) := "has no db_labels" if {
	not data.postern.compiled.roles[name].allow.labels
} else := "has no db_users" if {
	not data.postern.compiled.roles[name].allow.users
} else := concat("", ["has other db_labels", _label_note(data.postern.compiled.roles[name].allow.labels)]) if {
	not match.allows_labels(data.postern.compiled.roles[name].allow.labels)
} else := concat("", ["has other db_users", _user_note(data.postern.compiled.roles[name].allow.users)])

# Every rule of the eligible roles that names the action.
_candidates(access) := [rules.list[number] |
	some name in allow.eligible
	rules := data.postern.compiled.roles[name].allow.rules
	some number in data.postern.compiled.indexes[rules.index][access.action]
]

# The rule that came nearest explains best.
_cause(access) := concat("", ["none names ", access.action]) if {
	_candidates(access) == []
} else := _fault(sort([[_steps(rule, access), at, rule] | some at, rule in _candidates(access)]), access)

_fault(ranked, access) := _fault_at(ranked[count(ranked) - 1][0], ranked[count(ranked) - 1][2], access)

_steps(rule, access) := 0 if {
	not allow.in_resource(rule, access)
} else := 1 if {
	not allow.in_indexes(rule.narrow, access)
} else := 2 if {
	not match.conditions(rule.narrow, access)
} else := 3 if {
	not _may_be_keys(rule.narrow, access)
} else := 4

_fault_at(0, rule, access) := concat("", ["those for this action do not name this table", _note(rule.tables)]) if {
	is_string(access.table)
} else := concat("", ["those for this action do not name ", _quote(access.arn), " in resources", _note(rule.resources)]) if {
	match.is_outside(access)
	rule.resources
} else := concat("", ["those for this action do not name ", _quote(access.arn), " in resources"]) if {
	match.is_outside(access)
} else := concat("", ["those for this action name tables, and it has none", _note(rule.tables)]) if {
	rule.tables
} else := "those for this action name resources, and it is none of them"

_fault_at(1, rule, _) := concat("", ["those for this table do not name this index", _note(rule.narrow.indexes)])

_fault_at(2, rule, access) := "those for this table are not about full scans" if {
	not true in rule.narrow.scans
	access.full_scan
} else := "those for this table are about full scans only" if {
	not false in rule.narrow.scans
	not access.full_scan
} else := concat("", ["those for this table do not allow ReturnValues ", access.return_values])

_fault_at(3, _, access) := "it names no partition key, and leading_keys demands one" if access.leading_keys == []

_fault_at(3, rule, access) := concat("", ["a partition key is outside leading_keys", _note(rule.narrow.leading_keys)]) if {
	access.leading_keys != []
}

_fault_at(4, rule, access) := concat("", [
	"it replaces or removes whole items, and only some attributes are allowed; use UpdateItem, ",
	"or PutItem with the condition attribute_not_exists(<partition key>)",
]) if {
	access.whole_item
} else := concat("", [
	"attributes outside the allowed ones: ", _list(_outside(rule, access), ", "),
	_note(rule.narrow.attributes.within),
]) if {
	access.attributes_known == true
} else := "it does not say which attributes it touches, and only some are allowed"

_outside(rule, access) := [_quote(attribute) |
	some attribute in access.attributes
	not match.value(rule.narrow.attributes.within, attribute)
]

_label_note(labels) := _missing({trait |
	not match.allows_labels(labels)
	some pair in labels.all
	some trait in pair[1].needs
})

_user_note(users) := _missing({trait |
	not _is_named(users)
	some trait in users.needs
})

_is_named(users) if match.value(users.path, lower(match.role_path))

_is_named(users) if match.value(users.arn, lower(input.db_user))

_rule_note(rule, access) := ": it replaces or removes whole items, with attributes that it does not name" if {
	rule.narrow.attributes
	access.whole_item
} else := _missing({trait |
	some matcher in [
		rule.tables, rule.resources, rule.narrow.indexes, rule.narrow.leading_keys, rule.narrow.attributes.within,
	]
	some trait in matcher.needs
})

_note(matcher) := _missing({trait | some trait in matcher.needs})

# A note about those of the traits that the user lacks, or nothing.
_missing(traits) := concat("", [": trait ", _list(lacking, ", "), " of the user is missing or empty"]) if {
	lacking := [_quote(trait) | some trait in sort(traits); match.is_missing(trait)]
	lacking != []
} else := ""

_subject(access) := concat("", [access.action, _part(access), _resource(access)])

_part(access) := "" if {
	endswith(access.action, concat("", [":", access.via]))
} else := concat("", [" in ", access.via])

_resource(access) := "" if {
	is_null(access.table)
} else := concat("", [" on table ", _quote(access.table)]) if {
	is_null(access.index)
} else := concat("", [" on index ", _quote(access.index), " of table ", _quote(access.table)])

_list(texts, separator) := concat(separator, texts) if {
	count(texts) <= 8
} else := concat("", [
	concat(separator, array.slice(texts, 0, 8)), separator, "and ", json.marshal(count(texts) - 8), " more",
])

_quote(text) := concat("", [`"`, text, `"`])
