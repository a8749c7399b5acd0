# METADATA
# title: Library for policies of this installation
# description: >-
#   Words for packages `postern.custom.<name>`. Those that ask about keys and attributes come in pairs: `…_within` is true
#   only of what is proven, `…_touch` is true of what is not disproven, so that a denial uses `…_touch` or `not …_within`.
package postern.lib

# METADATA
# title: Reads
# description: True of an access that looks at data or metadata and changes neither.
is_read(access) if access.level in {"list", "read"}

# METADATA
# title: Writes
# description: True of an access that changes data, settings, tags or permissions.
is_write(access) if not is_read(access)

# METADATA
# title: On a table
# description: >-
#   True when the access is to the table, or to one whose name begins with what stands before a `*` at the end. An access
#   without a table is on none.
on_table(access, pattern) if {
	is_string(access.table)
	_matches(access.table, pattern)
}

# METADATA
# title: Keys within
# description: True when every partition key value is proven and is one of these, or begins with one that ends in `*`.
keys_within(access, patterns) if {
	access.keys_known == true
	every key in access.leading_keys {
		some pattern in patterns
		_matches(key, pattern)
	}
}

# METADATA
# title: Keys among
# description: >-
#   True when every partition key value is proven and is one of these, whatever they hold: a `*` in a user's trait stands for
#   itself.
keys_among(access, values) if {
	access.keys_known == true
	every key in access.leading_keys {
		key in values
	}
}

# METADATA
# title: Keys touch
# description: >-
#   True when a partition key value is one of these, or may be one because not all are proven, or are those of an index that
#   is not known to have the table's partition key.
keys_touch(access, patterns) if {
	not access.keys_known == true
} else if {
	not access.own_keys == true
} else if {
	some key in access.leading_keys
	some pattern in patterns
	_matches(key, pattern)
}

# METADATA
# title: Attributes within
# description: >-
#   True when every attribute that the access reads, shows or changes is proven and lies within one of these paths:
#   `address` covers `address.city` and `address[0]`.
attributes_within(access, paths) if {
	access.attributes_known == true
	not replaces_items(access)
	every attribute in access.attributes {
		some path in paths
		_covers(path, attribute)
	}
}

# METADATA
# title: Attributes touch
# description: True when an attribute lies within one of these paths or around it, or may, because not all are proven.
attributes_touch(access, paths) if {
	not access.attributes_known == true
} else if {
	replaces_items(access)
} else if {
	some attribute in access.attributes
	some path in paths
	_overlaps(path, attribute)
}

# METADATA
# title: Replaces items
# description: True of an access that replaces or removes items as a whole, with attributes that it does not name.
replaces_items(access) if access.whole_item == true

# METADATA
# title: Shows items
# description: True of a write that returns what was or is in the item, also in an error.
shows_items(access) if {
	is_write(access)
	access.return_values != "NONE"
}

# METADATA
# title: Full scan
# description: True of an access that may read more than the partitions of known keys.
is_full_scan(access) if access.full_scan == true

# METADATA
# title: Has a role
has_role(name) if name in input.user.roles

# METADATA
# title: Values of a trait
# description: The values that the user has of the trait; none when the user has no such trait.
trait_values(name) := object.get(input.user.traits, name, [])

# METADATA
# title: Has a trait
# description: True when one of the trait's values is this one.
has_trait(name, value) if value in trait_values(name)

# METADATA
# title: Label
# description: The database's label, or the empty text.
label(name) := object.get(input.database.labels, name, "")

# METADATA
# title: Time of day
# description: True from the first `HH:MM` on and before the second, in UTC; across midnight when the second is smaller.
in_hours(from, to) if {
	from <= to
	_clock >= from
	_clock < to
} else if {
	from > to
	_clock >= from
} else if {
	from > to
	_clock < to
}

_clock := substring(input.time, 11, 5)

_matches(text, pattern) if {
	text == pattern
} else if {
	endswith(pattern, "*")
	startswith(text, trim_suffix(pattern, "*"))
}

_covers(path, attribute) if {
	attribute == path
} else if {
	startswith(attribute, concat("", [path, "."]))
} else if {
	startswith(attribute, concat("", [path, "["]))
}

_overlaps(path, attribute) if {
	_covers(path, attribute)
} else if {
	_covers(attribute, path)
}
