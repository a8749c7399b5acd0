package postern.databases_test

import data.postern.databases

roles := {
	"dev": {"allow": {"labels": {"all": [["env", {"exact": {"dev": true}}]]}}},
	"all": {"allow": {"labels": {"any": true}}},
	"no-prod": {"deny": {"labels": {"all": [["env", {"exact": {"prod": true}}]]}}},
	"own": {"allow": {"labels": {"all": [["team", {"traits": {"selectors": ["team"]}, "needs": ["team"]}]]}}},
	"nothing": {},
}

shown(held, labels) if {
	question := {
		"version": 1,
		"user": {"name": "alice", "roles": held, "traits": {"team": ["payments"]}, "mfa_verified": false},
		"database": {"name": "example", "labels": labels},
	}
	databases.shown with input as question with data.postern.compiled as {"version": 1, "roles": roles, "indexes": {}}
}

test_shows_what_a_label_fits if shown(["dev"], {"env": "dev"})

test_hides_what_no_label_fits if not shown(["dev"], {"env": "prod"})

test_hides_what_lacks_the_label if not shown(["dev"], {})

test_shows_everything_to_a_role_for_all if shown(["all"], {})

test_shows_what_a_trait_names if shown(["own"], {"team": "payments"})

test_hides_what_no_trait_names if not shown(["own"], {"team": "search"})

test_hides_what_is_denied_by_its_labels if not shown(["all", "no-prod"], {"env": "prod"})

test_shows_what_is_not_denied if shown(["all", "no-prod"], {"env": "dev"})

test_hides_from_who_holds_nothing if not shown([], {"env": "dev"})

test_hides_from_a_role_without_labels if not shown(["nothing", "unknown"], {"env": "dev"})

test_hides_without_a_question if {
	not databases.shown with input as {} with data.postern.compiled as {"version": 1, "roles": roles, "indexes": {}}
}
