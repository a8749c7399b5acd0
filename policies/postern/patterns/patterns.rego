# METADATA
# title: Regular expressions
# description: Answers for the host, when roles are loaded, which of their regular expressions the engine cannot read.
# schemas:
#   - input: schema.patterns
package postern.patterns

# METADATA
# title: Invalid patterns
# description: The given patterns that are no RE2 expressions; the gateway refuses the roles that hold one.
# entrypoint: true
invalid contains pattern if {
	some pattern in input.patterns
	not regex.is_valid(pattern)
}
