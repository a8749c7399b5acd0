package postern.extensions_test

import data.postern.extensions
import data.testing as fixtures

denials(packages) := found if {
	found := extensions.denials with data.postern.custom as packages with input as fixtures.get_item
}

told(message) := {{"package": "p", "message": message, "access": null}}

test_clear_without_packages if extensions.clear with data.postern.custom as {}

test_clear_when_custom_is_absent if {
	extensions.clear
	extensions.obligations == []
}

test_not_clear_after_a_denial if not extensions.clear with data.postern.custom as {"p": {"deny": {"no"}}}

test_messages if denials({"p": {"deny": {"no"}}}) == told("no")

test_lists_are_as_good_as_sets if denials({"p": {"deny": ["no"]}}) == told("no")

test_messages_about_an_access if {
	denials({"p": {"deny": {{"message": "no", "access": 0}}}}) == {{"package": "p", "message": "no", "access": 0}}
}

test_an_access_that_is_not_there[note] if {
	some note, access in {"too far": 7, "a text": "0", "negative": -1, "nothing": null}
	denials({"p": {"deny": {{"message": "no", "access": access}}}}) == told("no")
}

test_a_malformed_deny_denies[note] if {
	some note, malformed in {
		"boolean": false,
		"string": "no",
		"object": {},
		"number": 0,
		"null": null,
	}
	message := concat("", ["its deny must be a set of messages, not a value of type ", note])
	denials({"p": {"deny": malformed}}) == told(message)
}

test_a_malformed_deny_is_not_read_entry_by_entry[note] if {
	some note, entry in {"text": "no", "object": {"message": "no"}}
	denials({"p": {"deny": {"a": entry}}}) == told("its deny must be a set of messages, not a value of type object")
}

test_a_malformed_entry_denies[note] if {
	some note, malformed in {"number": 1, "false": false, "nameless": {"msg": "no"}, "numbered": {"message": 7}, "list": ["no"]}
	denials({"p": {"deny": {malformed}}}) == told("its deny holds an entry that is neither a string nor {message, access}")
}

test_malformed_obligations_deny[note] if {
	some note, malformed in {"object": {"kind": "mask"}, "string": "mask", "boolean": true}
	message := concat("", ["its obligations must be a set of objects, not a value of type ", note])
	message in {denial.message | some denial in denials({"p": {"obligations": malformed}})}
}

test_obligations_without_a_kind_deny[note] if {
	some note, malformed in {"object": {"attribute": "ssn"}, "string": "mask", "number kind": {"kind": 1}}
	denials({"p": {"obligations": {malformed}}}) == told("its obligations hold an entry without a kind")
}

test_obligations_are_sorted_and_single if {
	packages := {
		"p": {"obligations": {{"kind": "b"}, {"kind": "a"}}},
		"q": {"obligations": {{"kind": "a"}}},
	}
	found := extensions.obligations with data.postern.custom as packages
	found == [{"kind": "a"}, {"kind": "b"}]
}

test_obligations_without_a_kind_are_none if {
	found := extensions.obligations with data.postern.custom as {"p": {"obligations": {{"attribute": "ssn"}}}}
	found == []
}
