package postern.lib_test

import data.postern.lib
import data.testing as fixtures

with_facts(facts) := object.union(fixtures.access, facts)

levels := {"list", "read", "write", "tagging", "permissions"}

test_levels if {
	{level | some level in levels; lib.is_read(with_facts({"level": level}))} == {"list", "read"}
	{level | some level in levels; lib.is_write(with_facts({"level": level}))} == {"write", "tagging", "permissions"}
}

test_on_table if {
	lib.on_table(fixtures.access, "orders")
	lib.on_table(fixtures.access, "ord*")
	not lib.on_table(fixtures.access, "order")
	not lib.on_table(with_facts({"table": null}), "*")
}

test_keys if {
	known := with_facts({"leading_keys": ["ada#1", "ada#2"]})
	lib.keys_within(known, ["ada#*"])
	lib.keys_touch(known, ["ada#2"])
	not lib.keys_within(known, ["ada#1"])
	not lib.keys_touch(known, ["bob"])
	unknown := with_facts({"keys_known": false})
	not lib.keys_within(unknown, ["*"])
	lib.keys_touch(unknown, ["bob"])
	lib.keys_touch({}, ["bob"])
}

test_keys_of_indexes if {
	every own in [false, null] {
		lib.keys_touch(with_facts({"index": "by-status", "leading_keys": ["open"], "own_keys": own}), ["bob"])
	}
	not lib.keys_touch(with_facts({"index": "by-date", "leading_keys": ["ada"], "own_keys": true}), ["bob"])
	lib.keys_within(with_facts({"index": "by-status", "leading_keys": ["open"], "own_keys": false}), ["open"])
}

test_keys_among if {
	known := with_facts({"leading_keys": ["ada#1", "bob*"]})
	lib.keys_among(known, ["ada#1", "bob*", "eve"])
	not lib.keys_among(known, ["ada#1", "bob"])
	not lib.keys_among(known, ["*"])
	not lib.keys_among(known, ["ada#*", "bob*"])
	not lib.keys_among(with_facts({"keys_known": false, "leading_keys": []}), ["ada#1"])
	not lib.keys_among({}, ["ada#1"])
}

test_attributes if {
	known := with_facts({"attributes_known": true, "attributes": ["a.b", "c[0]"]})
	lib.attributes_within(known, ["a", "c"])
	not lib.attributes_within(known, ["a"])
	lib.attributes_touch(known, ["c[0]"])
	lib.attributes_touch(known, ["a.b.d"])
	not lib.attributes_touch(known, ["a.bc", "d"])
	whole := object.union(known, {"whole_item": true})
	not lib.attributes_within(whole, ["a", "c"])
	lib.attributes_touch(whole, ["d"])
	not lib.attributes_within(fixtures.access, ["a"])
	lib.attributes_touch(fixtures.access, ["d"])
}

test_items if {
	lib.shows_items(with_facts({"level": "write", "return_values": "ALL_OLD"}))
	not lib.shows_items(with_facts({"level": "write"}))
	lib.is_full_scan(with_facts({"full_scan": true}))
	not lib.is_full_scan(fixtures.access)
}

test_people if {
	question := object.union(fixtures.get_item, {"user": {"traits": {"team": ["a", "b"]}}})
	lib.has_role("reader") with input as question
	lib.has_trait("team", "b") with input as question
	not lib.has_trait("team", "c") with input as question
	not lib.has_trait("other", "a") with input as question
	lib.label("env") == "dev" with input as question
	lib.label("absent") == "" with input as question
}

at(time) := {"time": concat("", ["2026-11-22T", time, ":00.000Z"])}

inside(from, to, times) := [time | some time in times; lib.in_hours(from, to) with input as at(time)]

test_hours if {
	inside("09:00", "17:00", ["08:59", "09:00", "14:00", "17:00"]) == ["09:00", "14:00"]
	inside("22:00", "06:00", ["21:59", "22:00", "05:59", "06:00", "12:00"]) == ["22:00", "05:59"]
}
