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
ordered := [reason | some [_, _, _, _, reason] in _sorted]

_room := 16

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
	some number in _first([at | some at, access in input.request.accesses; _is_proven_denied(access)])
	access := input.request.accesses[number]
	some name in input.user.roles
	block := data.postern.compiled.roles[name].deny
	rule := min(_proven_rules(block, access))
	message := concat("", [
		_denial(name, access, rule), _index_note(block.rules.list[rule], access), _deny_note(block, access, rule),
	])
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
	some number in _first([at | some at in _unmatched; not _is_waiting(input.request.accesses[at])])
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
	some number in _first([at | some at, access in input.request.accesses; _is_denied_for_keys(access)])
	access := input.request.accesses[number]
	some name in input.user.roles
	rule := min(_rules_for_keys(data.postern.compiled.roles[name].deny, access))
	message := concat(": ", [_denial(name, access, rule), _keys_lacking(access)])
}

unproven contains _reason("attributes_unproven", message, number, name) if {
	some number in _first([at | some at, access in input.request.accesses; _is_denied_for_attributes(access)])
	access := input.request.accesses[number]
	some name in input.user.roles
	rule := min(_rules_for_attributes(data.postern.compiled.roles[name].deny, access))
	message := concat(": ", [_denial(name, access, rule), _attributes_lacking(access)])
}

unproven contains _reason("keys_unproven", message, number, null) if {
	allow.eligible != []
	some number in _first([at | some at in _unmatched; _waits_for_keys(input.request.accesses[at])])
	access := input.request.accesses[number]
	message := _absence(access, _keys_wanted(access))
}

unproven contains _reason("attributes_unproven", message, number, null) if {
	allow.eligible != []
	some number in _first([at | some at in _unmatched; _waits_for_attributes(input.request.accesses[at])])
	access := input.request.accesses[number]
	message := _absence(access, _attributes_lacking(access))
}

_unmatched := [at | some at, names in allow.by_access; names == []]

# A rule would allow the access if what it asks of keys or attributes were proven.
_is_waiting(access) if {
	_waits_for_keys(access)
} else if {
	_waits_for_attributes(access)
}

_waits_for_keys(access) if {
	some rule in _candidates(access)
	_waits(rule, access)
	_needs_keys(rule, access)
}

_waits_for_attributes(access) if {
	some rule in _candidates(access)
	_waits(rule, access)
	not _needs_keys(rule, access)
}

_waits(rule, access) if {
	allow.in_resource(rule, access)
	allow.in_indexes(rule.narrow, access)
	_may_be_conditions(rule.narrow, access)
	_may_be_keys(rule.narrow, access)
	_may_be_attributes(rule.narrow, access)
}

_may_be_conditions(narrow, access) if {
	match.conditions(narrow, access)
} else if {
	match.may_be_lookup(access)
	match.conditions(narrow, object.union(access, {"full_scan": false}))
}

# A proof can only add to what is known: what is outside now stays outside.
_may_be_keys(narrow, access) if {
	allow.in_keys(narrow, access)
} else if {
	not access.keys_known
	_can_match(narrow.leading_keys)
	every key in access.leading_keys {
		match.value(narrow.leading_keys, key)
	}
}

_may_be_attributes(narrow, access) if {
	allow.in_attributes(narrow, access)
} else if {
	not access.attributes_known
	not match.is_replacing(access)
	_can_match(narrow.attributes.within)
	every attribute in access.attributes {
		match.value(narrow.attributes.within, attribute)
	}
}

# Not where all that the list holds hangs on traits that the user lacks.
_can_match(matcher) if {
	not matcher.traits
} else if {
	matcher.exact
} else if {
	matcher.more
} else if {
	some entries in matcher.traits
	some entry in entries
	_stands_for_something(entry[0])
}

_stands_for_something(trait) if is_null(trait)

_stands_for_something(trait) if {
	some text in input.user.traits[trait]
	text != ""
}

_needs_keys(rule, access) if {
	rule.narrow.leading_keys
	not access.keys_known
} else if {
	match.may_be_lookup(access)
	not _in_conditions(rule, access)
}

_in_conditions(rule, access) if match.conditions(rule.narrow, access)

_is_denied_for_keys(access) if {
	some name in input.user.roles
	_rules_for_keys(data.postern.compiled.roles[name].deny, access) != set()
}

_is_denied_for_attributes(access) if {
	some name in input.user.roles
	_rules_for_attributes(data.postern.compiled.roles[name].deny, access) != set()
}

# Denying rules from which proven keys might free the access, or, where the keys are no matter, proven attributes. There are
# no others: a rule that denies for what is proven is told instead.
_rules_for_keys(block, access) := {rule |
	some rule in deny.denying_rules(block, access)
	narrow := block.rules.list[rule].narrow
	not deny.has_proven_keys(narrow, access)
}

_rules_for_attributes(block, access) := {rule |
	some rule in deny.denying_rules(block, access)
	deny.has_proven_keys(block.rules.list[rule].narrow, access)
}

_sorted := _beside(denials) if {
	count(denials) > 0
} else := _beside(absences) if {
	count(custom) + count(absences) > 0
} else := sort(array.concat(_first(_lacking("keys_unproven")), _first(_lacking("attributes_unproven"))))

# What packages deny, and these before it when there is no room for all: where packages alone deny, a proof may help.
_beside(definite) := sort(array.slice(array.concat(_sortables(definite), _sortables(custom)), 0, _room))

_sortables(told) := sort({_sortable(reason) | some reason in told})

# Some of both kinds: the gateway asks only for what the reasons are about.
_lacking(code) := _sortables([reason | some reason in unproven; reason.code == code])

_sortable(reason) := [reason.access, reason.code, reason.role, reason.message, reason]

_reason(code, message, access, role) := {"code": code, "message": message, "access": access, "role": role}

# A batch of a hundred must not make a page of text.
_first(list) := array.slice(list, 0, 8)

_is_proven_denied(access) if {
	some name in input.user.roles
	count(_proven_rules(data.postern.compiled.roles[name].deny, access)) > 0
}

_proven_rules(block, access) := {rule |
	some rule in deny.denying_rules(block, access)
	deny.is_proven(block.rules.list[rule], access)
}

# Every rule of the eligible roles that names the action.
_candidates(access) := [rules.list[number] |
	some name in allow.eligible
	rules := data.postern.compiled.roles[name].allow.rules
	some number in data.postern.compiled.indexes[rules.index][access.action]
]

# The rule that came nearest explains best.
_cause(access) := concat("", ["none names ", access.action, _named_note(access)]) if {
	_candidates(access) == []
} else := _fault(sort([[_steps(rule, access), at, rule] | some at, rule in _candidates(access)]), access)

_fault(ranked, access) := _fault_at(ranked[count(ranked) - 1][0], ranked[count(ranked) - 1][2], access)

_steps(rule, access) := 0 if {
	not allow.in_resource(rule, access)
} else := 1 if {
	not allow.in_indexes(rule.narrow, access)
} else := 2 if {
	not _may_be_conditions(rule.narrow, access)
} else := 3 if {
	not _may_be_keys(rule.narrow, access)
} else := 4
