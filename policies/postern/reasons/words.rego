# The words of reasons: what was asked, what stands against it, and what to ask for instead. No value of a key or an item is
# in them: they stand in the audit log.
package postern.reasons

import data.postern.allow
import data.postern.deny
import data.postern.match

_absence(access, cause) := concat("", [
	"no rule of ", _list([_quote(name) | some name in allow.eligible], ", "), " allows ", _subject(access), ": ",
	cause,
])

_denial(name, access, rule) := concat("", [
	"role ", _quote(name), " denies ", _subject(access), " (spec.deny.db_rules[", json.marshal(rule), "])",
])

# What is asked without keys, or not by them, can prove none; the rest can say which it means.
_keys_lacking(access) := "a scan meets every partition key; use GetItem, or Query with the partition key" if {
	access.action == "dynamodb:Scan"
} else := "it is not known whether the index has the table's partition key; query the table instead" if {
	access.keys_known == true
} else := concat("", ["its partition keys are not proven; ", _key_remedies[access.action]]) if {
	_key_remedies[access.action]
} else := "it concerns items of every partition key"

_keys_wanted(access) := _keys_lacking(access) if {
	_key_remedies[access.action]
} else := _keys_lacking(access) if {
	access.action == "dynamodb:Scan"
} else := concat("", [_keys_lacking(access), ": it takes a rule without leading_keys"])

_key_remedies := {
	"dynamodb:GetItem": "give the whole key",
	"dynamodb:BatchGetItem": "give the whole key of each item",
	"dynamodb:ConditionCheckItem": "give the whole key",
	"dynamodb:PutItem": "give the item its partition key, of the type that the table has",
	"dynamodb:BatchWriteItem": "give each item its partition key, of the type that the table has",
	"dynamodb:UpdateItem": "give the whole key",
	"dynamodb:DeleteItem": "give the whole key",
	"dynamodb:Query": "let KeyConditionExpression demand that the partition key equals a value",
	"dynamodb:PartiQLSelect": "let WHERE demand, joined to the rest by AND, that the partition key equals a value",
	"dynamodb:PartiQLInsert": "give the item its partition key, of the type that the table has",
	"dynamodb:PartiQLUpdate": "let WHERE demand the whole key, joined to the rest by AND",
	"dynamodb:PartiQLDelete": "let WHERE demand the whole key, joined to the rest by AND",
}

_attributes_lacking(access) := concat("", ["it may return whole items; ", _return_remedy(access)]) if {
	access.return_values in {"ALL_OLD", "ALL_NEW"}
} else := _whole_item_note if {
	access.whole_item
} else := "not all attributes that it touches are known; name those that you need instead of *" if {
	access.action == "dynamodb:PartiQLSelect"
} else := concat("", [
	"not all attributes that it touches are known; name those that you need in a ProjectionExpression, without Select ",
	access.select,
]) if {
	access.select in {"ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
} else := "not all attributes that it touches are known; name those that you need in a ProjectionExpression"

_return_remedy(access) := "leave out RETURNING ALL and ReturnValuesOnConditionCheckFailure" if {
	startswith(access.action, "dynamodb:PartiQL")
} else := "leave out ReturnValuesOnConditionCheckFailure, and ReturnValues ALL_OLD and ALL_NEW"

_whole_item_note := concat("", [
	"it replaces or removes whole items, and with them attributes outside the allowed ones; use UpdateItem, ",
	"or PutItem with the condition attribute_not_exists(<partition key>)",
])

_mismatch(name) := "has no db_labels" if {
	not data.postern.compiled.roles[name].allow.labels
} else := "has no db_users" if {
	not data.postern.compiled.roles[name].allow.users
} else := concat("", ["has other db_labels", _label_note(data.postern.compiled.roles[name].allow.labels)]) if {
	not match.allows_labels(data.postern.compiled.roles[name].allow.labels, input.database.labels)
} else := concat("", ["has other db_users", _user_note(data.postern.compiled.roles[name].allow.users)])

_named_note(access) := ", which is allowed only by a rule that names it" if {
	data.postern.compiled.named_only[access.action]
} else := ""

_fault_at(0, rule, access) := concat("", ["those for this action do not name this table", _note(rule.tables)]) if {
	is_string(access.table)
} else := concat("", ["those for this action do not name ", _quote(access.arn), " in resources", _note(rule.resources)]) if {
	match.is_outside(access)
	rule.resources
} else := concat("", ["those for this action do not name ", _quote(access.arn), " in resources"]) if {
	match.is_outside(access)
} else := "those for this action name tables, and it has none: it takes a rule without tables" if {
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

_fault_at(3, rule, access) := "it names no partition key, and leading_keys demands one: it takes a rule without leading_keys" if {
	access.keys_known == true
	access.leading_keys == []
} else := concat("", [_foreign_keys(rule, access), _note(rule.narrow.leading_keys)])

_foreign_keys(rule, access) := concat("", [
	json.marshal(count(foreign)), " of its ", json.marshal(count(access.leading_keys)),
	" partition keys are outside leading_keys",
]) if {
	foreign := [key | some key in access.leading_keys; not match.value(rule.narrow.leading_keys, key)]
	count(access.leading_keys) > 1
} else := "the partition key of the index, which is not the table's, is outside leading_keys" if {
	is_string(access.index)
} else := "its partition key is outside leading_keys"

_fault_at(4, _, access) := _whole_item_note if match.is_replacing(access)

_fault_at(4, rule, access) := concat("", [
	"attributes outside the allowed ones", _named(": ", outside, access), _in_part(outside, rule),
	_note(rule.narrow.attributes.within),
]) if {
	not match.is_replacing(access)
	outside := [attribute |
		some attribute in access.attributes
		not match.value(rule.narrow.attributes.within, attribute)
	]
}

# Of what is outside as a whole, the parts that are not.
_in_part(outside, rule) := concat("", ["; allowed in part: ", _list(parts, ", ")]) if {
	parts := sort({_quote(path) |
		some attribute in outside
		some path in rule.narrow.attributes.over
		match.is_parent(attribute, path)
	})
	parts != []
} else := ""

# None is named where all that is allowed hangs on traits that the user lacks.
_named(_, [], _) := ""

_named(before, attributes, access) := concat("", [before, _list([_quote(name) | some name in attributes], ", "), how]) if {
	attributes != []
	how := _how_read(attributes, access)
}

# Why an attribute is read that nobody asked to see.
_how_read(attributes, access) := concat("", [
	" (ReturnValues ", access.return_values, " shows all of an attribute of which a part is changed)",
]) if {
	startswith(access.return_values, "UPDATED_")
	some attribute in attributes
	some path in access.writes
	match.is_parent(attribute, path)
} else := concat("", [" (", _readers[access.action], " read too)"]) if {
	_readers[access.action]
	some attribute in attributes
	not attribute in access.writes
} else := ""

_readers := {
	"dynamodb:Query": "filters",
	"dynamodb:Scan": "filters",
	"dynamodb:PutItem": "conditions",
	"dynamodb:DeleteItem": "conditions",
	"dynamodb:UpdateItem": "conditions and right-hand sides",
	"dynamodb:PartiQLSelect": "conditions",
	"dynamodb:PartiQLUpdate": "conditions and right-hand sides",
	"dynamodb:PartiQLDelete": "conditions",
}

_label_note(labels) := _missing({trait |
	not match.allows_labels(labels, input.database.labels)
	some pair in labels.all
	some trait in pair[1].needs
})

_user_note(users) := _missing({trait |
	not match.names_user(users)
	some trait in users.needs
})

# An index may hold items of any partition of its table.
_index_note(rule, access) := concat("", [
	": the index has another partition key than the table, so that it may hold items of any partition; ",
	"query the table, or an index that has the table's partition key",
]) if {
	deny.is_of_any_partition(rule.narrow, access)
} else := ""

# What of the access the denying rule is about: what it does, or what a write reads besides.
_deny_note(block, access, rule) := _rule_note(block.rules.list[rule], access) if {
	rule in deny.acting_rules(block, access)
} else := _named(": it reads ", read, access) if {
	read := [attribute | some attribute in access.reads; _overlaps(block.rules.list[rule], attribute)]
	read != []
} else := ": it reads attributes that must not be read"

_rule_note(rule, access) := ": it replaces or removes whole items, with attributes that it does not name" if {
	rule.narrow.attributes
	access.whole_item
	every attribute in access.attributes {
		not _overlaps(rule, attribute)
	}
} else := concat("", [_touched(rule, access), missing]) if {
	missing := _missing({trait |
		some matcher in [
			rule.tables, rule.resources, rule.narrow.indexes, rule.narrow.leading_keys, rule.narrow.attributes.within,
		]
		some trait in matcher.needs
	})
}

_touched(rule, access) := _named(": it touches ", touched, access) if {
	rule.narrow.attributes
	touched := [attribute | some attribute in access.attributes; _overlaps(rule, attribute)]
} else := ""

_overlaps(rule, attribute) if match.overlaps(rule.narrow.attributes, attribute)

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
