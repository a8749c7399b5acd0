/** The look of the door's pages: the system's own letters, light and dark, from 320 pixels up. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f4f1ea; --card: #ffffff; --ink: #1d2321; --quiet: #5a6461; --line: #c9cec9; --edge: #7b8682;
  --accent: #1f5f5b; --on-accent: #ffffff; --fault: #a3231f; --fault-ground: #fdeeec;
  --code-ground: #f1f3f0; --focus: #2b7fd4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12181a; --card: #1b2325; --ink: #e9ece8; --quiet: #a5afac; --line: #39454a; --edge: #77868a;
    --accent: #7cc7bf; --on-accent: #0d1a19; --fault: #ffb1a8; --fault-ground: #3a1c1a; --code-ground: #12181a;
    --focus: #8ec3ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 30rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
header { display: flex; align-items: center; gap: .65rem; margin: 0 0 1.1rem .1rem; }
header img { display: block; }
header p { margin: 0; font-weight: 650; letter-spacing: .01em; }
header span { color: var(--quiet); font-weight: 400; margin-left: .3rem; }
main {
  padding: 1.6rem 1.75rem 1.9rem; background: var(--card); border: 1px solid var(--line); border-radius: .8rem;
}
h1 { margin: 0 0 .4rem; font-size: 1.45rem; line-height: 1.25; letter-spacing: -.01em; }
h2 { margin: 2rem 0 .35rem; padding-top: 1.4rem; border-top: 1px solid var(--line); font-size: 1.08rem; }
p { margin: .45rem 0; }
.quiet, .hint { color: var(--quiet); }
.hint { margin: .2rem 0 0; font-size: .9rem; }
label { display: block; margin-top: 1.15rem; font-weight: 600; }
input {
  display: block; width: 100%; margin-top: .3rem; padding: .6rem .7rem; font: inherit;
  color: var(--ink); background: var(--card); border: 1px solid var(--edge); border-radius: .45rem;
}
input[readonly] { color: var(--quiet); background: var(--code-ground); border-color: var(--line); }
input[aria-invalid=true] { border-color: var(--fault); border-width: 2px; }
input.digits { max-width: 11rem; font-size: 1.2rem; letter-spacing: .18em; font-variant-numeric: tabular-nums; }
button {
  display: block; width: 100%; margin-top: 1.7rem; padding: .75rem 1rem; font: inherit; font-weight: 650; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid transparent; border-radius: .45rem;
}
button:hover { filter: brightness(1.08); }
button[disabled] { opacity: .55; cursor: progress; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.fault { margin: .3rem 0 0; color: var(--fault); font-size: .95rem; font-weight: 600; }
.alert {
  margin: 1rem 0 .2rem; padding: .7rem .9rem; color: var(--fault); background: var(--fault-ground);
  border-left: 4px solid var(--fault); border-radius: .3rem;
}
.alert p { margin: 0; }
.alert p + p { margin-top: .3rem; }
.qr { width: 13rem; max-width: 100%; margin: 1rem auto .8rem; background: #ffffff; border: 1px solid var(--line); border-radius: .5rem; }
.qr svg { display: block; width: 100%; height: auto; border-radius: .5rem; }
code { font: .95em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.secret, pre {
  margin: .6rem 0; padding: .7rem .8rem; background: var(--code-ground); border: 1px solid var(--line); border-radius: .45rem;
}
.secret { text-align: center; text-wrap: balance; }
pre { white-space: pre-wrap; }
pre span { display: inline-block; max-width: 100%; }
[hidden] { display: none; }
@media (max-width: 26rem) {
  body { padding-top: 1.1rem; }
  main { padding: 1.2rem 1.1rem 1.5rem; }
}
@media (forced-colors: active) { button { border-color: ButtonText; } }
`;
