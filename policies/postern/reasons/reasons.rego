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
	rule := min(deny.denying_rules(block, access))
	message := concat("", [
		"role ", _quote(name), " denies ", _subject(access), " (spec.deny.db_rules[", json.marshal(rule), "])",
		_rule_note(block.rules.list[rule], access),
	])
}

denials contains _reason("custom_denied", message, denial.access, null) if {
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
	some number in array.slice([at | some at, names in allow.by_access; names == []], 0, 8)
	access := input.request.accesses[number]
	message := concat("", [
		"no rule of ", _list([_quote(name) | some name in allow.eligible], ", "), " allows ", _subject(access), ": ",
		_cause(access),
	])
}

_sorted := sort({_sortable(reason) | some reason in denials}) if {
	count(denials) > 0
} else := sort({_sortable(reason) | some reason in absences})

_sortable(reason) := [reason.access, reason.code, reason.role, reason.message, reason]

_reason(code, message, access, role) := {"code": code, "message": message, "access": access, "role": role}

# The first eight accesses that a rule denies: a batch of a hundred must not make a page of text.
_denied_accesses := array.slice([number | some number, access in input.request.accesses; _is_denied(access)], 0, 8)

_is_denied(access) if {
	some name in input.user.roles
	count(deny.denying_rules(data.postern.compiled.roles[name].deny, access)) > 0
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
	not allow.in_tables(rule, access)
} else := 1 if {
	not allow.in_indexes(rule.narrow, access)
} else := 2 if {
	not allow.in_keys(rule.narrow, access)
} else := 3

_fault_at(0, rule, access) := concat("", ["those for this action name tables, and it has none", _note(rule.tables)]) if {
	is_null(access.table)
} else := concat("", ["those for this action do not name this table", _note(rule.tables)])

_fault_at(1, rule, _) := concat("", ["those for this table do not name this index", _note(rule.narrow.indexes)])

_fault_at(2, _, access) := "its partition keys cannot be proven" if {
	not access.keys_known == true
} else := "it names no partition key, and leading_keys demands one" if {
	access.leading_keys == []
}

_fault_at(2, rule, access) := concat("", ["a partition key is outside leading_keys", _note(rule.narrow.leading_keys)]) if {
	access.keys_known == true
	access.leading_keys != []
}

_fault_at(3, _, access) := "it does not say which attributes it touches, and only some are allowed" if {
	not access.attributes_known == true
}

_fault_at(3, rule, access) := message if {
	access.attributes_known == true
	outside := [_quote(attribute) |
		some attribute in access.attributes
		not match.value(rule.narrow.attributes.within, attribute)
	]
	message := concat("", [
		"attributes outside the allowed ones: ", _list(outside, ", "),
		_note(rule.narrow.attributes.within),
	])
}

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

_rule_note(rule, access) := ": its partition keys cannot be proven" if {
	rule.narrow.leading_keys
	not access.keys_known == true
} else := ": its attributes are not all known" if {
	rule.narrow.attributes
	not access.attributes_known == true
} else := _missing({trait |
	some matcher in [
		rule.tables, rule.narrow.indexes, rule.narrow.leading_keys, rule.narrow.attributes.within,
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
