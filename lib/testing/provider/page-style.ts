/** The style of all pages, in light and dark. Each page contains it, and its policy contains the hash. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f4f5f8;
  --card: #fff;
  --ink: #1b1f2a;
  --soft: #5d6475;
  --line: #dfe2ea;
  --accent: #2f5bea;
  --note: #fff6dc;
  --note-ink: #6a4b00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12141a;
    --card: #1b1e27;
    --ink: #eef0f6;
    --soft: #a2a9ba;
    --line: #30343f;
    --accent: #8fabff;
    --note: #35300f;
    --note-ink: #f4e1a0;
  }
}
* {
  box-sizing: border-box;
}
body {
  margin: 0;
  min-height: 100vh;
  min-height: 100dvh;
  display: grid;
  place-items: center;
  padding: 1rem;
  background: var(--paper);
  color: var(--ink);
  font:
    1rem / 1.5 system-ui,
    sans-serif;
}
main {
  width: 100%;
  max-width: 26rem;
  padding: 1.75rem 1.5rem 1.25rem;
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 1.25rem;
  box-shadow: 0 1rem 3rem rgb(0 0 0 / 8%);
}
h1 {
  margin: 0 0 0.25rem;
  font-size: 1.4rem;
  line-height: 1.25;
  letter-spacing: -0.01em;
}
p {
  margin: 0 0 1rem;
  color: var(--soft);
  overflow-wrap: anywhere;
}
b {
  color: var(--ink);
}
.note {
  padding: 0.6rem 0.9rem;
  border-radius: 0.75rem;
  background: var(--note);
  color: var(--note-ink);
  font-size: 0.9rem;
}
form {
  display: grid;
  gap: 0.6rem;
  margin: 0;
}
button {
  display: grid;
  grid-template-columns: 2.75rem 1fr;
  align-items: center;
  column-gap: 0.9rem;
  width: 100%;
  min-height: 4rem;
  padding: 0.6rem 0.9rem;
  border: 1px solid var(--line);
  border-radius: 0.9rem;
  background: none;
  color: inherit;
  font: inherit;
  text-align: left;
  cursor: pointer;
}
button:hover {
  border-color: var(--accent);
}
button:focus-visible {
  outline: 3px solid var(--accent);
  outline-offset: 2px;
}
.face {
  grid-row: span 2;
  display: grid;
  place-items: center;
  width: 2.75rem;
  height: 2.75rem;
  border-radius: 50%;
  background: #2f5bea;
  color: #fff;
  font-weight: 600;
}
button:nth-of-type(4n + 2) .face {
  background: #0b7a62;
}
button:nth-of-type(4n + 3) .face {
  background: #a8441b;
}
button:nth-of-type(4n) .face {
  background: #7a3fb0;
}
.name {
  font-weight: 600;
  line-height: 1.3;
}
.email {
  color: var(--soft);
  font-size: 0.9rem;
  line-height: 1.3;
  overflow-wrap: anywhere;
}
.deny {
  display: block;
  min-height: 2.75rem;
  border-color: transparent;
  color: var(--soft);
  text-align: center;
}
`;
