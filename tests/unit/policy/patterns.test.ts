import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
import { compileAttributes } from "../../../src/policy/attribute-paths.ts";
import { compileUsers } from "../../../src/policy/db-users.ts";
import { compileGlobs, compileLabelValues } from "../../../src/policy/patterns.ts";

const site = { role: "dev", path: "spec.allow.list" };

function refusal(compile: () => unknown): PosternError {
  try {
    compile();
  } catch (error) {
    assert.ok(error instanceof PosternError);
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was refused" });
}

describe("compileGlobs()", () => {
  const shapes: [string, unknown][] = [
    ["orders", { exact: { orders: true } }],
    ["*", { any: true }],
    ["**", { any: true }],
    ["orders-*", { more: { prefix: ["orders-"] } }],
    ["*-orders", { more: { suffix: ["-orders"] } }],
    ["a*b", { more: { affix: [["a", "b", 2]] } }],
    ["é*😀", { more: { affix: [["é", "😀", 2]] } }],
    ["a.*b*c", { more: { re: ["^(?:(?s:a\\..*b.*c))$"] } }],
    ["a?[b]", { exact: { "a?[b]": true } }],
    ["{{external.t}}", { traits: { is: [["t", "", ""]] }, needs: ["t"] }],
    ["{{user.name}}#*", { traits: { starts: [[null, "", "#", ""]] } }],
    ["a*b{{internal.logins}}c", { traits: { ends: [["logins", "a", "b", "c"]] }, needs: ["logins"] }],
    ['x{{external["a b"]}}y*z', { traits: { starts: [["a b", "x", "y", "z"]] }, needs: ["a b"] }],
    ["*.{{external.t}}*", { traits: { like: [["t", "^(?s:.*\\.", ".*)$"]] }, needs: ["t"] }],
  ];
  for (const [pattern, matcher] of shapes) {
    it(`compiles ${pattern} to ${JSON.stringify(matcher)}`, () => {
      assert.deepEqual(compileGlobs([pattern], site), matcher);
    });
  }

  it("lets * swallow the other entries of its list", () => {
    assert.deepEqual(compileGlobs(["a", "*", "b*"], site), { any: true });
  });

  it("keeps __proto__ as a text like any other", () => {
    assert.equal(JSON.stringify(compileGlobs(["__proto__"], site)), '{"exact":{"__proto__":true}}');
  });

  it("names role, place, value and remedy of a bad template", () => {
    const error = refusal(() => compileGlobs(["ok", "{{internal.tenant}}"], site));
    assert.equal(error.code, "role_template_invalid");
    assert.equal(
      error.message,
      'Cannot load role "dev": spec.allow.list[1] "{{internal.tenant}}": "tenant" is not an internal trait',
    );
    assert.match(error.hint ?? "", /^write \{\{external\.tenant\}\}/);
  });

  for (const bad of [
    "{{external.a}}{{external.b}}",
    "{{external.a",
    "external.a}}",
    "{{}}",
    "{{email.local(external.a)}}",
  ]) {
    it(`refuses ${bad}`, () => {
      assert.equal(refusal(() => compileGlobs([bad], site)).code, "role_template_invalid");
    });
  }

  it("refuses what WASM could not parse, and the empty text", () => {
    for (const bad of ["a\ud800", ""]) {
      assert.equal(refusal(() => compileGlobs([bad], site)).code, "role_pattern_invalid");
    }
  });
});

describe("compileLabelValues()", () => {
  it("wraps a regular expression, so that an alternation cannot match a part", () => {
    assert.deepEqual(compileLabelValues(["^a|b$"], site), { more: { re: ["^(?:^a|b$)$"] } });
  });

  it("reads ^ or $ alone as text", () => {
    assert.deepEqual(compileLabelValues(["^a", "b$"], site), { exact: { "^a": true, b$: true } });
  });

  it("takes the values of a trait that is the whole entry as selectors, of the name never", () => {
    assert.deepEqual(compileLabelValues(["{{external.envs}}", "{{user.name}}", "x{{external.t}}"], site), {
      traits: {
        selectors: ["envs"],
        is: [
          [null, "", ""],
          ["t", "x", ""],
        ],
      },
      needs: ["envs", "t"],
    });
  });

  it("refuses a template inside a regular expression", () => {
    assert.match(refusal(() => compileLabelValues(["^{{external.t}}.*$"], site)).message, /cannot hold a template/);
  });
});

describe("compileUsers()", () => {
  it("makes one of X and role/X, and keeps ARNs apart", () => {
    assert.deepEqual(compileUsers(["X", "role/X", "team/*", "arn:aws:iam::123456789012:role/X"], site, false), {
      path: { exact: { X: true }, more: { prefix: ["team/"] } },
      arn: { exact: { "arn:aws:iam::123456789012:role/X": true } },
    });
  });

  it("folds case for denies, and keeps names without a path to compare with names alone", () => {
    assert.deepEqual(compileUsers(["Admin-*", "role/Root", "team/X"], site, true), {
      path: { exact: { root: true, "team/x": true }, more: { prefix: ["admin-"] } },
      name: { exact: { root: true }, more: { prefix: ["admin-"] } },
    });
  });

  it("keeps templates apart: their values are read when they are known", () => {
    assert.deepEqual(compileUsers(["{{internal.db_users}}", "{{user.name}}-ro"], site, false), {
      selectors: [
        ["db_users", "", ""],
        [null, "", "-ro"],
      ],
      needs: ["db_users"],
    });
  });

  it("is absent when nothing is selected", () => {
    assert.equal(compileUsers([], site, false), undefined);
  });

  const hopeless = [
    "^admin.*$",
    "role/",
    "/X",
    "Role/X",
    "my role",
    "röle",
    "arn:aws:iam::123456789012:user/X",
    "arn:aws:sts::123456789012:assumed-role/X/y",
    "arn:aws:iam::1234:role/X",
    "arn:aws:s3:::*",
  ];
  for (const selector of hopeless) {
    it(`refuses ${selector}, which could match no role: in a deny it would be a hole`, () => {
      assert.equal(refusal(() => compileUsers([selector], site, true)).code, "role_pattern_invalid");
    });
  }

  for (const selector of ["arn:aws:iam::*:role/x", "arn:aws*", "arn:aws:iam::123456789012:r*", "*"]) {
    it(`takes ${selector}`, () => {
      assert.ok(compileUsers([selector], site, true));
    });
  }
});

describe("compileAttributes()", () => {
  it("lets a path cover what lies below it, and remembers it for denies", () => {
    assert.deepEqual(compileAttributes(["address.city"], site, "allow"), {
      within: { exact: { "address.city": true }, more: { prefix: ["address.city.", "address.city["] } },
      over: ["address.city"],
    });
  });

  it("spells backquoted names as requests do", () => {
    assert.deepEqual(compileAttributes(["`plain`.`a.b`[0].`c``d`"], site, "allow").over, ["plain.`a.b`[0].`c``d`"]);
  });

  it("takes a star at the end only", () => {
    assert.deepEqual(compileAttributes(["pub_*"], site, "allow"), {
      within: { more: { prefix: ["pub_"] } },
      over: ["pub_"],
    });
    assert.deepEqual(compileAttributes(["a", "*"], site, "allow"), { within: { any: true } });
    for (const bad of ["a*b", "*a", "a..b", ".a", "a.", "a[x]", "a[00]", "[0]", "`a", "a`b`"]) {
      assert.match(refusal(() => compileAttributes([bad], site, "allow")).message, /is not an attribute path/, bad);
    }
  });

  it("lets a star in a deny reach names that requests write in backquotes", () => {
    const prefixes = (path: string): readonly string[] | undefined =>
      compileAttributes([path], site, "deny").within.more?.prefix;
    assert.deepEqual(prefixes("secret*"), ["secret", "`secret"]);
    assert.deepEqual(prefixes("a[0].c*"), ["a[0].c", "a[0].`c"]);
    assert.deepEqual(prefixes("`a.b`*"), ["`a.b`", "`a.b"]);
    assert.deepEqual(prefixes("`a``b`*"), ["`a``b`", "`a``b"]);
    for (const path of ["address.*", "a[0]*"]) assert.deepEqual(prefixes(path), [path.slice(0, -1)]);
  });

  it("lets a trait name a parent as well", () => {
    assert.deepEqual(compileAttributes(["{{external.columns}}"], site, "allow"), {
      within: {
        traits: {
          is: [["columns", "", ""]],
          starts: [
            ["columns", "", ".", ""],
            ["columns", "", "[", ""],
          ],
        },
        needs: ["columns"],
      },
      over_traits: [["columns", "", ""]],
    });
  });
});
