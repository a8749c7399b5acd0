# METADATA
# title: Matching
# description: >-
#   Compares what a request holds with the matchers that roles were compiled to. Each pair of functions has one for
#   allow, where doubt does not match, and one for deny, where doubt matches.
package postern.match

# METADATA
# title: Path of the AWS role
# description: >-
#   What follows `arn:<partition>:iam::<account>:role/` in the database user; undefined when it is not a role of the
#   database's own account, so that nothing allows it.
role_path := trim_prefix(input.db_user, prefix) if {
	prefix := concat("", ["arn:", input.database.partition, ":iam::", input.database.account_id, ":role/"])
	startswith(input.db_user, prefix)
}

# What follows its last slash. A role's name is unique in its account whatever its path.
_role_name := parts[count(parts) - 1] if parts := split(role_path, "/")

# METADATA
# title: Labels, for allow
# description: True when the given labels of a database satisfy every key of the selector.
allows_labels(labels, given) if {
	labels.any
} else if {
	every pair in labels.all {
		value(pair[1], given[pair[0]])
	}
}

# METADATA
# title: Labels, for deny
# description: The same, except that a value whose trait is missing matches any label of that key.
denies_labels(labels) if {
	labels.any
} else if {
	every pair in labels.all {
		denies(pair[1], input.database.labels[pair[0]])
	}
}

# METADATA
# title: Database user, for allow
# description: True when a selector matches, compared as full ARNs and with case.
allows_user(users) if {
	value(users.path, role_path)
} else if {
	value(users.arn, input.db_user)
} else if {
	some template in users.selectors
	some selector in _selectors(template)
	_selects(selector, role_path, input.db_user)
}

# METADATA
# title: Database user, for deny
# description: >-
#   The same without case, wherever a role named without a path stands, and true when a selector's trait is missing or
#   cannot be read.
denies_user(users) if {
	names_user(users)
} else if {
	lacks_trait(users)
} else if {
	some template in users.selectors
	some selector in _selectors(template)
	_selects(lower(selector), lower(role_path), lower(input.db_user))
} else if {
	some template in users.selectors
	some selector in _selectors(template)
	_selects_name(lower(selector), lower(_role_name))
} else if {
	some template in users.selectors
	some selector in _selectors(template)
	startswith(selector, "^")
}

# METADATA
# title: Database user, for deny, by name
# description: True when an entry without a template denies the user.
names_user(users) if {
	value(users.path, lower(role_path))
} else if {
	value(users.name, lower(_role_name))
} else if {
	value(users.arn, lower(input.db_user))
}

# METADATA
# title: Value, for allow
# description: True when any entry of a compiled list matches the whole value.
value(matcher, text) if {
	matcher.exact[text]
} else if {
	matcher.any
} else if {
	_matches_more(matcher.more, text)
} else if {
	_matches_trait(matcher.traits, text)
}

# METADATA
# title: Value, for deny
# description: The same, and true when a trait that an entry needs is missing, or is a regex that cannot be read.
denies(matcher, text) if {
	value(matcher, text)
} else if {
	lacks_trait(matcher)
} else if {
	some trait in matcher.traits.selectors
	some selector in _values(trait)
	_is_regex(selector)
	not _is_readable(selector)
}

# METADATA
# title: Attribute, for deny
# description: True when the attribute lies within a path of the list, or a path of the list within the attribute.
overlaps(attributes, attribute) if {
	denies(attributes.within, attribute)
} else if {
	some path in attributes.over
	is_parent(attribute, path)
} else if {
	some [trait, before, after] in attributes.over_traits
	some text in _values(trait)
	is_parent(attribute, concat("", [before, text, after]))
}

# METADATA
# title: Conditions, for allow
# description: True when the access is of those that the rule's full_scan and return_values are about.
conditions(narrow, access) if {
	not narrow.scans
	not narrow.returns
} else if {
	_in_scans(narrow, access)
	_in_returns(narrow, access)
}

_in_scans(narrow, access) if {
	not narrow.scans
} else if {
	access.full_scan in narrow.scans
}

_in_returns(narrow, access) if {
	not narrow.returns
} else if {
	access.return_values in narrow.returns
}

# METADATA
# title: Conditions, for deny
# description: The same, and true of an access that does not say, or whose word for it is not known here.
denies_conditions(narrow, access) if {
	not narrow.scans
	not narrow.returns
} else if {
	_denies_scans(narrow, access)
	_denies_returns(narrow, access)
}

_denies_scans(narrow, access) if {
	_in_scans(narrow, access)
} else if {
	may_be_lookup(access)
} else if {
	not _says_scan(access)
}

_denies_returns(narrow, access) if {
	_in_returns(narrow, access)
} else if {
	not _says_returns(access)
}

_says_scan(access) if is_boolean(access.full_scan)

_says_returns(access) if access.return_values in {"NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"}

# METADATA
# title: A select that may be a look-up
# description: True of a statement that DynamoDB executes as a scan or by its keys, while they are not proven.
may_be_lookup(access) if {
	access.action == "dynamodb:PartiQLSelect"
	not access.keys_known
}

# METADATA
# title: Loses attributes
# description: >-
#   True of an access that surely replaces or removes whole items. A put whose condition may demand that there is none does
#   so only if it does not: until the table's key is known its attributes are not either.
is_replacing(access) if {
	access.whole_item
	access.attributes_known == true
} else if {
	access.whole_item
	access.action != "dynamodb:PutItem"
}

# METADATA
# title: Table's ARN
# description: Of the access's table, whatever part of it the access is to.
table_arn(access) := concat("", [
	"arn:", input.database.partition, ":dynamodb:", input.database.region, ":", input.database.account_id, ":table/",
	access.table,
])

# METADATA
# title: Outside
# description: >-
#   True for an access to what is no part of this database, such as a bucket, a key, a role, or a table's replica in another
#   region.
is_outside(access) if {
	is_null(access.table)
	not _is_inside(access)
}

_is_inside(access) if {
	parts := split(access.arn, ":")
	parts[2] == "dynamodb"
	parts[3] == input.database.region
}

# METADATA
# title: Lacks a trait
# description: True when a trait that a compiled list needs is absent, empty, or holds an empty value.
lacks_trait(matcher) if {
	some trait in matcher.needs
	is_missing(trait)
}

# METADATA
# title: Missing trait
# description: True unless the user has the trait with at least one value and no empty one.
is_missing(trait) if not _is_whole(trait)

_is_whole(trait) if {
	count(input.user.traits[trait]) > 0
	every text in input.user.traits[trait] {
		text != ""
	}
}

# A null trait stands for the user's name.
_values(trait) := [input.user.name] if {
	is_null(trait)
} else := [text |
	some text in input.user.traits[trait]
	text != ""
]

_matches_more(more, text) if {
	some prefix in more.prefix
	startswith(text, prefix)
}

_matches_more(more, text) if {
	some suffix in more.suffix
	endswith(text, suffix)
}

_matches_more(more, text) if {
	some [prefix, suffix, length] in more.affix
	startswith(text, prefix)
	endswith(text, suffix)
	count(text) >= length
}

_matches_more(more, text) if {
	some pattern in more.re
	regex.match(pattern, text)
}

_matches_trait(traits, text) if {
	some trait in traits.selectors
	some selector in _values(trait)
	_matches_selector(selector, text)
}

_matches_trait(traits, text) if {
	some [trait, before, after] in traits.is
	some part in _values(trait)
	text == concat("", [before, part, after])
}

_matches_trait(traits, text) if {
	some [trait, before, after, suffix] in traits.starts
	some part in _values(trait)
	_has_ends(text, concat("", [before, part, after]), suffix)
}

_matches_trait(traits, text) if {
	some [trait, prefix, before, after] in traits.ends
	some part in _values(trait)
	_has_ends(text, prefix, concat("", [before, part, after]))
}

_matches_trait(traits, text) if {
	some [trait, before, after] in traits.like
	some part in _values(trait)
	regex.match(concat("", [before, _quoted(part), after]), text)
}

_has_ends(text, prefix, suffix) if {
	startswith(text, prefix)
	endswith(text, suffix)
	count(text) >= count(prefix) + count(suffix)
}

# A selector that came out of a trait: read now, because traits are known only now.
_matches_selector(selector, text) if {
	_is_regex(selector)
	_is_readable(selector)
	regex.match(_anchored(selector), text)
}

_matches_selector(selector, text) if {
	not _is_regex(selector)
	matches_glob(selector, text)
}

_is_regex(selector) if {
	startswith(selector, "^")
	endswith(selector, "$")
}

# Both: "^a)|(b$" is a regex only once it is wrapped, and then it matches parts. In WASM a regex ends at NUL.
_is_readable(selector) if {
	not contains(selector, "\u0000")
	regex.is_valid(selector)
	regex.is_valid(_anchored(selector))
}

_anchored(selector) := concat("", ["^(?:", selector, ")$"])

# METADATA
# title: Glob
# description: >-
#   True when the glob matches the whole text. The host's glob.match takes braces and newlines for more than they are; here
#   only "*" means something.
matches_glob(glob, text) if glob == text

matches_glob(glob, text) if {
	[prefix, suffix] = split(glob, "*")
	_has_ends(text, prefix, suffix)
}

matches_glob(glob, text) if {
	parts := split(glob, "*")
	count(parts) > 2
	body := concat(".*", [_quoted(part) | some part in parts])
	regex.match(concat("", ["^(?s:", body, ")$"]), text)
}

_quoted(text) := concat("", [object.get(_escapes, char, char) | some char in split(text, "")])

_escapes := {
	"\u0000": `\x00`,
	"\\": `\\`,
	".": `\.`,
	"+": `\+`,
	"*": `\*`,
	"?": `\?`,
	"(": `\(`,
	")": `\)`,
	"|": `\|`,
	"[": `\[`,
	"]": `\]`,
	"{": `\{`,
	"}": `\}`,
	"^": `\^`,
	"$": `\$`,
}

# A whole entry's values are selectors; inside a longer text they are text, and a "*" among them matches nothing.
_selectors(template) := _values(template[0]) if {
	not is_null(template[0])
	template[1] == ""
	template[2] == ""
} else := [concat("", [template[1], text, template[2]]) |
	some text in _values(template[0])
	not contains(text, "*")
]

# Not with a named prefix rule: these are the forms that a role's own selectors have as well.
_selects(selector, _, arn) if {
	startswith(selector, "arn:")
	matches_glob(selector, arn)
}

_selects(selector, path, _) if {
	not startswith(selector, "arn:")
	matches_glob(trim_prefix(selector, "role/"), path)
}

_selects_name(selector, name) if {
	glob := trim_prefix(selector, "role/")
	not contains(glob, "/")
	matches_glob(glob, name)
}

# METADATA
# title: Parent
# description: True when the path lies within the attribute and is not the attribute itself.
# scope: document
is_parent(attribute, path) if startswith(path, concat("", [attribute, "."]))

is_parent(attribute, path) if startswith(path, concat("", [attribute, "["]))
