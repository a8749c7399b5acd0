package postern.control_test

import data.postern.control

allowed := {"allow": true, "reasons": []}

user_document(roles, traits) := {"kind": "user", "spec": {"roles": roles, "traits": traits}}

rules(allow, deny) := {"allow": allow, "deny": deny}

by(name, roles) := {"name": name, "roles": roles, "traits": {"team": ["a"]}, "kind": "user"}

local := {"name": "root", "roles": [], "traits": {}, "kind": "local"}

asking(actor, verb, kind, name, before, after) := {
	"version": 1,
	"time": "2026-11-26T12:00:00.000Z",
	"actor": actor,
	"verb": verb,
	"resource": {"kind": kind, "name": name},
	"change": {"before": before, "after": after},
	"roles": {
		"helpdesk": rules([{"resources": ["user", "lock", "role"], "verbs": ["*"]}], []),
		"curbed": rules([], [{"resources": ["lock"], "verbs": ["delete"]}]),
	},
	"editors": {"before": 1, "after": 1},
	"reach": {"before": false, "after": false},
}

reading(actor, verb, kind) := asking(actor, verb, kind, null, null, null)

decide(question) := decision if {
	decision := control.decision with input as question
}

codes(question) := {reason.code | some reason in decide(question).reasons}

messages(question) := {reason.message | some reason in decide(question).reasons}

unreadable := {
	"allow": false,
	"reasons": [{"code": "control_undefined", "message": "policy could not read the request"}],
}

some_user := user_document(["helpdesk"], {"team": ["a"]})

test_denies_without_input if decide({}) == unreadable

test_denies_what_is_incomplete[name] if {
	whole := asking(by("e", ["editor"]), "update", "user", "u", some_user, some_user)
	some name, changes in {
		"version": {"version": 2},
		"verb": {"verb": "own"},
		"actor": {"actor": {"kind": "root"}},
		"roles of the actor": {"actor": {"roles": "editor"}},
		"before": {"change": {"before": null}},
		"after": {"change": {"after": {"spec": null}}},
		"editors": {"editors": {"after": null}},
		"reach": {"reach": {"before": null}},
		"roles": {"roles": null},
		"before, of the wrong shape, for one who is no editor": {
			"actor": {"roles": ["helpdesk"]},
			"change": {"before": {"spec": null}},
		},
		"a create over something": {"verb": "create"},
		"a delete that leaves something": {"verb": "delete"},
	}
	decide(object.union(whole, changes)) == unreadable
}

test_all_that_is_incomplete_was_tried if count(test_denies_what_is_incomplete) == 12

test_editor_administers_everything[concat(" ", [verb, kind])] if {
	some kind in ["role", "user", "db", "token", "lock", "oidc"]
	some verb, change in {
		"create": {"before": null, "after": {"spec": {}}},
		"update": {"before": {"spec": {}}, "after": {"spec": {}}},
		"delete": {"before": {"spec": {}}, "after": null},
		"list": {"before": null, "after": null},
		"read": {"before": null, "after": null},
	}
	decide(asking(by("e", ["editor"]), verb, kind, "x", change.before, change.after)) == allowed
}

test_every_act_of_an_editor_was_tried if count(test_editor_administers_everything) == 30

test_an_editor_mends_what_cannot_be_read if {
	decide(asking(by("e", ["editor"]), "update", "role", "x", 7, {"spec": {}})) == allowed
	decide(asking(by("e", ["editor"]), "delete", "role", "x", 7, null)) == allowed
	decide(asking(by("h", ["helpdesk"]), "delete", "role", "x", 7, null)) == unreadable
}

test_local_administers_everything if {
	decide(asking(local, "create", "role", "x", null, {"spec": {}})) == allowed
}

test_auditor_reads[concat(" ", [verb, kind])] if {
	some verb in ["list", "read"]
	some kind in ["event", "role", "user"]
	decide(reading(by("a", ["auditor"]), verb, kind)) == allowed
}

test_all_that_an_auditor_reads_was_tried if count(test_auditor_reads) == 6

test_auditor_does_not_read_tokens if codes(reading(by("a", ["auditor"]), "read", "token")) == {"not_granted"}

test_auditor_changes_nothing if {
	decide(asking(by("a", ["auditor"]), "delete", "role", "x", {"spec": {}}, null)) == {
		"allow": false,
		"reasons": [{
			"code": "not_granted",
			"message": `user "a" holds no role that grants delete on role`,
		}],
	}
}

test_access_grants_nothing_here if codes(reading(by("u", ["access"]), "list", "role")) == {"not_granted"}

test_nobody_without_roles if codes(reading(by("u", []), "list", "role")) == {"not_granted"}

test_a_role_that_is_not_defined_denies if {
	question := reading(by("u", ["editor", "lost"]), "list", "role")
	codes(question) == {"role_unknown"}
	messages(question) == {`user "u" holds role "lost", which is not defined, so what it denies cannot be known`}
}

test_rules_of_roles_grant if decide(reading(by("h", ["helpdesk"]), "list", "user")) == allowed

test_rules_of_roles_grant_only_what_they_name if codes(reading(by("h", ["helpdesk"]), "list", "db")) == {"not_granted"}

test_a_deny_wins_over_editor if {
	question := asking(by("e", ["editor", "curbed"]), "delete", "lock", "l", {"spec": {}}, null)
	messages(question) == {`role "curbed" denies delete on lock`}
	codes(question) == {"rule_denied"}
}

test_documents_cannot_redefine_built_in_roles if {
	question := object.union(
		reading(by("a", ["auditor"]), "list", "db"),
		{"roles": {"auditor": rules([{"resources": ["*"], "verbs": ["*"]}], [])}},
	)
	codes(question) == {"not_granted"}
}

test_the_last_editor_stays[kind] if {
	some kind in ["user", "local"]
	actor := {"user": by("e", ["editor"]), "local": local}[kind]
	question := asking(actor, "delete", "user", "e", user_document(["editor"], {}), null)
	codes(object.union(question, {"editors": {"before": 1, "after": 0}})) == {"last_editor"}
}

test_both_kinds_of_actor_were_tried if count(test_the_last_editor_stays) == 2

test_another_editor_may_go if {
	question := asking(by("e", ["editor"]), "delete", "user", "e", user_document(["editor"], {}), null)
	decide(object.union(question, {"editors": {"before": 2, "after": 1}})) == allowed
}

test_a_cluster_without_editors_can_be_set_up if {
	question := asking(local, "create", "user", "u", null, user_document([], {}))
	decide(object.union(question, {"editors": {"before": 0, "after": 0}})) == allowed
}

helping(verb, kind, name, before, after) := asking(by("h", ["helpdesk"]), verb, kind, name, before, after)

test_helpdesk_gives_what_it_has if decide(helping("create", "user", "u", null, some_user)) == allowed

test_helpdesk_gives_no_more_than_it_has[message] if {
	some message, question in {
		`may not give role "editor", which they do not hold`: helping(
			"create", "user", "u", null,
			user_document(["editor"], {}),
		),
		`may not change a user who holds role "editor", which they do not hold`: helping(
			"delete", "user", "e",
			user_document(["editor"], {}), null,
		),
		`may not give trait "team" a value that they do not have`: helping(
			"create", "user", "u", null,
			user_document([], {"team": ["a", "b"]}),
		),
		`may not give trait "db_users" a value that they do not have`: helping(
			"create", "user", "u", null,
			user_document([], {"db_users": ["Admin"]}),
		),
		"may not change their own user": helping("update", "user", "h", some_user, some_user),
		"may not change a role that they hold": helping("update", "role", "helpdesk", {"spec": {}}, {"spec": {}}),
		"may not grant create on db, which they may not do": helping(
			"create", "role", "r", null,
			{"spec": {"allow": {"rules": [{"resources": ["db"], "verbs": ["create"]}]}}},
		),
		"may not grant * on *, which they may not do": helping(
			"create", "role", "r", null,
			{"spec": {"allow": {"rules": [{"resources": ["*"], "verbs": ["*"]}]}}},
		),
		"may not lift a lock on themselves": helping(
			"delete", "lock", "l",
			{"spec": {"target": {"user": "h"}}}, null,
		),
		`may not lift a lock on role "helpdesk", which they hold`: helping(
			"delete", "lock", "l",
			{"spec": {"target": {"role": "helpdesk"}}}, null,
		),
		"may not change what a role says beside the rules that it grants": helping(
			"update", "role", "r",
			{"spec": {"allow": {"db_labels": {"env": "dev"}}}}, {"spec": {"allow": {"db_labels": {"*": "*"}}}},
		),
		"may not change a database that their own roles do not reach by its labels": helping(
			"update", "db", "d",
			{"metadata": {"labels": {"env": "prod"}}, "spec": {}}, {"metadata": {"labels": {"env": "dev"}}, "spec": {}},
		),
		"may not change a connector, by which others would be let in as whoever it names": helping(
			"update", "oidc", "c",
			{"spec": {}}, {"spec": {}},
		),
		`may not make a token by which services join as "Auth"`: helping(
			"create", "token", "t", null,
			{"spec": {"roles": ["Db", "Auth"]}},
		),
	}
	messages(question) == {concat("", [`user "h" `, message])}
	codes(question) == {"more_than_own"}
}

test_all_that_helpdesk_may_not_was_tried if count(test_helpdesk_gives_no_more_than_it_has) == 14

# Holds all verbs on databases; which of them its roles reach is told.
registering(actor, verb, before, after, reach) := object.union(
	asking(actor, verb, "db", "d", before, after),
	{
		"roles": {"registrar": rules([{"resources": ["db"], "verbs": ["*"]}], [])},
		"reach": reach,
	},
)

dev_database := {"metadata": {"labels": {"env": "dev"}}, "spec": {"aws": {"account_id": "1"}}}

database_changes := {
	"create": {"before": null, "after": dev_database},
	"update": {"before": dev_database, "after": object.union(dev_database, {"spec": {"aws": {"account_id": "2"}}})},
	"delete": {"before": dev_database, "after": null},
}

test_registrar_changes_databases_that_its_roles_reach[verb] if {
	some verb, change in database_changes
	reach := {"before": change.before != null, "after": change.after != null}
	decide(registering(by("r", ["registrar"]), verb, change.before, change.after, reach)) == allowed
}

test_all_that_registrar_may_was_tried if count(test_registrar_changes_databases_that_its_roles_reach) == 3

test_registrar_changes_no_database_that_its_roles_do_not_reach[concat(" ", [verb, moment])] if {
	some [verb, moment] in [["create", "after"], ["update", "before"], ["update", "after"], ["delete", "before"]]
	change := database_changes[verb]
	reach := object.union({"before": true, "after": true}, {moment: false})
	decide(registering(by("r", ["registrar"]), verb, change.before, change.after, reach)) == {
		"allow": false,
		"reasons": [{
			"code": "more_than_own",
			"message": `user "r" may not change a database that their own roles do not reach by its labels`,
		}],
	}
}

test_all_that_registrar_may_not_was_tried if {
	count(test_registrar_changes_no_database_that_its_roles_do_not_reach) == 4
}

test_who_administers_changes_databases_that_no_role_reaches[concat(" ", [actor.kind, verb])] if {
	some actor in [by("e", ["editor"]), local]
	some verb, change in database_changes
	nothing := {"before": false, "after": false}
	decide(registering(actor, verb, change.before, change.after, nothing)) == allowed
}

test_helpdesk_takes_no_denial_away if {
	every before in [
		{"allow": {}, "deny": {"rules": [{"resources": ["*"], "verbs": ["*"]}]}},
		{"allow": null, "deny": {"db_labels": {"env": "prod"}}},
		{"options": {"max_session_ttl": "1h"}},
	] {
		codes(helping("update", "role", "r", {"spec": before}, {"spec": {}})) == {"more_than_own"}
	}
}

test_helpdesk_changes_the_rules_of_a_role if {
	before := {"spec": {"allow": {"db_labels": {"a": "b"}, "rules": []}}}
	after := {"spec": {"allow": {"db_labels": {"a": "b"}, "rules": [{"resources": ["lock"], "verbs": ["delete"]}]}}}
	decide(helping("update", "role", "r", before, after)) == allowed
}

test_helpdesk_locks_anybody if {
	decide(helping("create", "lock", "l", null, {"spec": {"target": {"user": "x"}}})) == allowed
}

test_helpdesk_grants_what_it_may_do if {
	after := {"spec": {"allow": {"rules": [{"resources": ["lock"], "verbs": ["create", "delete"]}]}}}
	decide(helping("create", "role", "r", null, after)) == allowed
}

test_only_so_many_reasons_are_told if {
	roles := [concat("", ["lost-", json.marshal(number)]) | some number in numbers.range(1, 50)]
	count(decide(reading(by("u", roles), "list", "role")).reasons) == 16
}
