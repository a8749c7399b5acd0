package postern.patterns_test

import data.postern.patterns

test_names_the_invalid_ones if {
	found := patterns.invalid with input as {"patterns": ["^a$", "^(a$", "^a)|(b$", `^(?=a)$`]}
	found == {"^(a$", "^a)|(b$", `^(?=a)$`}
}

test_none_is_fine if {
	found := patterns.invalid with input as {"patterns": []}
	found == set()
}
