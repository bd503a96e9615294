// Words and turns of phrase that non-native readers stumble over, each with the plain word.

/** Expressions for prose, each with its plain form. Case is ignored. */
const WORDS = [
  [/\b(who|what|which|where|when)ever\b/, "name the user, the caller or the case"],
  [/\b(some|any|every|no)body\b/, "user, caller, attacker, no one"],
  [/\b(people|persons?|stranger|folks?)\b/, "user, attacker"],
  [/\b(tells?|telling|told)\b/, "reports, returns, shows"],
  [/\b(wants|wanted|wish|wishes|wished)\b/, "requires, needs, requested"],
  [/\b(asks?|asked|asking) for\b/, "requests, requires"],
  [/\bto the letter\b/, "exactly"],
  [/\b(lies|lie|stands|stand) (in|at|beside|behind|below|under)\b/, "is in"],
  [/\b(unseal|seal)(s|ed|ing)?\b/, "encrypts, encrypted"],
  [/\bbegun\b/, "started"],
  [/\bin circles?\b|\bround and round\b/, "redirect loop"],
  [/\b(leave|leaves|left|leaving) (out|away)\b/, "omits, omitted"],
  [/\bgo(es)? on by itself\b/, "continues automatically"],
  [/\bslip of the finger\b/, "typo"],
  [/\bno use of\b/, "does not count as"],
  [/\b(nor|so) (is|are|does|do)\b/, "write a second sentence with its own subject"],
  [/\b(is|are) none\b/, "there is no …"],
  [/\bno good\b/, "invalid"],
  [/\b(hand|hands|handed) (back|out|over)\b/, "returns, passes"],
  [/\b(turn|turns|turned) away\b/, "rejects, challenges"],
  [/\bis to be\b|\bare to be\b/, "must be"],
  [/\bthe same for (who|what)\b/, "name the thing"],
  [/\bof its own accord\b/, "automatically"],
  [/\b(mend|mends|mended)\b/, "repairs, solves"],
];

/** "Portal" is a product name. In prose the thing is the provider. */
const PORTAL = /\b(the|a|this|that|its|other|another|each|every|one|real|test) portals?\b/;

/** Sentences that begin with a relative clause as their subject. A question may begin so. */
const RELATIVE_SUBJECT = /(?:^|[.!:] )((?:Who|Whoever|What|Of|Where|So) [^.?!]*)(?=[.!]|$)/g;

/** Returns what is hard to read in a piece of prose, as short texts. */
export function checkWords(prose) {
  const problems = [];
  for (const [expression, plain] of WORDS) {
    const found = new RegExp(expression, "i").exec(prose);
    if (found) problems.push(`"${found[0]}" (${plain})`);
  }
  const portal = new RegExp(PORTAL, "i").exec(prose);
  if (portal) problems.push(`"${portal[0]}" (the provider)`);
  for (const [, clause] of prose.matchAll(RELATIVE_SUBJECT))
    if (!clause.startsWith("So that")) problems.push(`a sentence begins with "${clause.slice(0, 30)}"`);
  return problems;
}

export const MOST_WORDS = 25;

/** Returns the sentences that are too long. Code in backticks and links count as one word. */
export function checkSentences(prose) {
  const plain = prose
    .replace(/`[^`]*`/g, "code")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\b(e\.g|i\.e|etc|vs)\./g, "$1")
    .replace(/\((RFC|OpenID|OAuth|NIST|section|W3C|WHATWG)[^)]*\)/g, "");
  return plain
    .split(/[.!?:](?=\s|$)|\n\s*\n|\n\s*[-*] /)
    .map((sentence) => sentence.trim().split(/\s+/))
    .filter((words) => words.length > MOST_WORDS)
    .map((words) => `a sentence of ${words.length} words: "${words.slice(0, 8).join(" ")} …"`);
}
