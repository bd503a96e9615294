import type { Request } from "express";
import { CHINESE } from "../errors/page-texts/chinese.js";
import { ENGLISH } from "../errors/page-texts/english.js";
import type { PartialWords, Words } from "../errors/page-texts/words.js";

/**
 * Returns the texts in the language that the browser prefers (Accept-Language: RFC 9110, section 12.5.4).
 * English is the default.
 */
export type ChooseWords = (req: Request) => Words;

/** Creates the choice among our own languages and those of the application. */
export function createChooseWords(given: Readonly<Record<string, PartialWords>>): ChooseWords {
  const known = new Map<string, Words>([
    ["en", ENGLISH],
    ["zh", CHINESE],
  ]);
  for (const [lang, words] of Object.entries(given))
    known.set(lang, completeWords(lang, words, known.get(lang) ?? ENGLISH));
  const languages = [...known.keys()];
  return function wordsOf(req) {
    const language = req.acceptsLanguages(languages);
    return (language && known.get(language)) || (known.get("en") as Words);
  };
}

const completeWords = (lang: string, given: PartialWords, base: Words): Words => ({
  lang,
  sentences: { ...base.sentences, ...given.sentences },
  titles: { ...base.titles, ...given.titles },
  labels: { ...base.labels, ...given.labels },
  signOutQuestion: given.signOutQuestion ?? base.signOutQuestion,
  formNotSent: given.formNotSent ?? base.formNotSent,
  formQuestion: given.formQuestion ?? base.formQuestion,
  formGone: given.formGone ?? base.formGone,
});
