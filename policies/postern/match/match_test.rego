package postern.match_test

import data.postern.match
import data.testing as fixtures

alice(traits) := object.union(fixtures.get_item, {"user": {"traits": traits}})

# Forms of compiled entries, each with a text that matches and one that does not.
forms := {
	"exact": [{"exact": {"a": true}}, "a", "A"],
	"any": [{"any": true}, "", null],
	"prefix": [{"more": {"prefix": ["a"]}}, "ab", "ba"],
	"suffix": [{"more": {"suffix": ["a"]}}, "ba", "ab"],
	"affix": [{"more": {"affix": [["ab", "ba", 4]]}}, "ab\nba", "aba"],
	"affix, other end": [{"more": {"affix": [["ab", "ba", 4]]}}, "ab-ba", "ab-b"],
	"re": [{"more": {"re": ["^(?:a|b)$"]}}, "b", "ab"],
	"is": [{"traits": {"is": [["t", "<", ">"]]}}, "<x*>", "<x>"],
	"starts": [{"traits": {"starts": [["t", "<", "-", ">"]]}}, "<x*-y>", "<x-y>"],
	"starts, overlapping": [{"traits": {"starts": [["t", "", "-", "-"]]}}, "x*--", "x*-"],
	"ends": [{"traits": {"ends": [["t", "<", "-", ">"]]}}, "<y-x*>", "<y-x>"],
	"like": [{"traits": {"like": [["t", "^(?s:a.*", ".*b)$"]]}}, "a1x*2b", "a1x2b"],
	"name": [{"traits": {"is": [[null, "", "!"]]}}, "alice!", "bob!"],
	"selector glob": [{"traits": {"selectors": ["glob"]}}, "a.b-c", "aXb-c"],
	"selector globs": [{"traits": {"selectors": ["globs"]}}, "1+\n2", "1"],
	"selector dot": [{"traits": {"selectors": ["dot"]}}, "a.b", "aXb"],
	"selector star in a regex": [{"traits": {"selectors": ["stars"]}}, "aaa", "^aXa$"],
	"selector half a regex": [{"traits": {"selectors": ["half"]}}, "^dev", "dev"],
	"selector other half": [{"traits": {"selectors": ["other half"]}}, "dev$", "dev"],
	"selector regex": [{"traits": {"selectors": ["regex"]}}, "dev", "xdev"],
	"selector text": [{"traits": {"selectors": ["text"]}}, "dev", "devs"],
}

traits := {
	"t": ["x*"],
	"dot": ["a.b"],
	"stars": ["^a*a$"],
	"half": ["^dev"],
	"other half": ["dev$"],
	"glob": ["a.b*"],
	"globs": ["*+*2*"],
	"regex": ["^de[vw]|x$"],
	"text": ["dev"],
}

test_form_matches[name] if {
	some name, form in forms
	match.value(form[0], form[1]) with input as alice(traits)
}

test_form_does_not_match_the_other[name] if {
	some name, form in object.remove(forms, ["any"])
	not match.value(form[0], form[2]) with input as alice(traits)
}

test_breakout_of_a_regex_is_unreadable if {
	not match.value({"traits": {"selectors": ["t"]}}, "ab") with input as alice({"t": ["^a)|(b$"]})
	match.denies({"traits": {"selectors": ["t"]}}, "z") with input as alice({"t": ["^a)|(b$"]})
}

test_a_regex_that_wrapping_breaks_is_unreadable if {
	match.denies({"traits": {"selectors": ["t"]}}, "z") with input as alice({"t": [`^\Qa$`]})
}

test_readable_selectors_deny_what_they_match_only[note] if {
	some note, selector in {"regex": "^a$", "text": "(", "glob": "a*"}
	not match.denies({"traits": {"selectors": ["t"]}}, "z") with input as alice({"t": [selector]})
}

test_an_empty_value_allows_nothing if {
	matcher := {"traits": {"starts": [["t", "", "#", ""]]}}
	not match.value(matcher, "#1") with input as alice({"t": ["", "a"]})
	match.value(matcher, "a#1") with input as alice({"t": ["", "a"]})
}

test_missing_traits[note] if {
	some note, held in {"absent": {}, "empty": {"t": []}, "empty value": {"t": ["a", ""]}, "wrong type": {"t": 1}}
	match.is_missing("t") with input as alice(held)
	match.denies({"needs": ["t"]}, "x") with input as alice(held)
}

test_a_whole_trait_is_not_missing if not match.is_missing("t") with input as alice({"t": ["a"]})

test_users if {
	question := object.union(alice({"t": ["role/ExampleRole"]}), {"user": {"name": "ExampleRole"}})
	match.allows_user({"path": {"exact": {"ExampleRole": true}}}) with input as question
	match.allows_user({"arn": {"more": {"suffix": ["/ExampleRole"]}}}) with input as question
	match.allows_user({"selectors": [["t", "", ""]]}) with input as question
	match.allows_user({"selectors": [[null, "", ""]]}) with input as question
	match.allows_user({"selectors": [["t", "arn:aws:iam::*:", ""]]}) with input as question
	not match.allows_user({"selectors": [["t", "x", ""]]}) with input as question
}

test_user_selectors_compare_like_with_like[note] if {
	some note, template in {
		"star in the name": [null, "", ""],
		"star before text": ["star", "", "Role"],
		"another account": ["arn", "", ""],
		"part of the ARN": ["part", "", ""],
	}
	question := object.union(
		alice({"star": ["*"], "arn": ["arn:aws:iam::999999999999:role/ExampleRole"], "part": ["*aws*"]}),
		{"user": {"name": "*"}},
	)
	not match.allows_user({"selectors": [template]}) with input as question
}

test_denied_users_ignore_case if {
	match.denies_user({"path": {"exact": {"examplerole": true}}}) with input as fixtures.get_item
	match.denies_user({"arn": {"more": {"suffix": [":role/examplerole"]}}}) with input as fixtures.get_item
	match.denies_user({"selectors": [["t", "", ""]]}) with input as alice({"t": ["EXAMPLE*"]})
	match.denies_user({"selectors": [["t", "", ""]]}) with input as alice({"t": ["^.*$"]})
	not match.denies_user({"selectors": [["t", "", ""]]}) with input as alice({"t": ["other"]})
}

test_attributes_overlap if {
	list := {
		"within": {"exact": {"a.b": true}, "more": {"prefix": ["a.b.", "a.b["]}},
		"over": ["a.b"],
		"over_traits": [["t", "", ".z"]],
	}
	every attribute in ["a", "a.b", "a.b.c", "a.b[0]", "q", "q[1]"] {
		match.overlaps(list, attribute) with input as alice({"t": ["q[1]"]})
	}
	every attribute in ["a.c", "ab", "a.bc", "q[2]", "q.z"] {
		not match.overlaps(list, attribute) with input as alice({"t": ["q[1]"]})
	}
}

test_denied_users_ignore_paths if {
	question := object.union(
		alice({"t": ["role/Ad*"], "path": ["x/Admin"]}),
		{"db_user": "arn:aws:iam::123456789012:role/team/eu/Admin"},
	)
	match.denies_user({"name": {"exact": {"admin": true}}}) with input as question
	match.denies_user({"selectors": [["t", "", ""]]}) with input as question
	not match.denies_user({"name": {"exact": {"eu": true}}}) with input as question
	not match.denies_user({"selectors": [["path", "", ""]]}) with input as question
	not match.allows_user({"selectors": [["t", "", ""]]}) with input as question
}

test_conditions_deny_what_is_not_said if {
	silent := {"action": "dynamodb:GetItem", "keys_known": true}
	match.denies_conditions({"scans": [true]}, silent)
	match.denies_conditions({"returns": ["ALL_OLD"]}, silent)
	not match.conditions({"scans": [true]}, silent)
	not match.conditions({"returns": ["NONE"]}, silent)
	not match.denies_conditions({"scans": [true]}, object.union(silent, {"full_scan": false}))
	not match.denies_conditions({"returns": ["ALL_OLD"]}, object.union(silent, {"return_values": "NONE"}))
}

test_outside_is_what_is_no_part_of_the_database if {
	match.is_outside({"table": null, "arn": "arn:aws:s3:::exports"}) with input as fixtures.get_item
	match.is_outside({"table": null, "arn": "unreadable"}) with input as fixtures.get_item
	match.is_outside({"table": null}) with input as fixtures.get_item
	not match.is_outside({"table": null, "arn": "arn:aws:dynamodb:us-east-1:123456789012:table/*"}) with input as fixtures.get_item
	match.is_outside({"table": null, "arn": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"}) with input as fixtures.get_item
	not match.is_outside({"table": "orders", "arn": "arn:aws:s3:::exports"}) with input as fixtures.get_item
}
