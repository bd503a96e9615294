import * as v from "valibot";
import type { Clock } from "../../contract/clock.js";
import type { Logger } from "../../contract/logger.js";
import type { RenderPage } from "../../contract/page-parts.js";
import type { PartialWords } from "../../errors/page-texts/words.js";
import { derived, NONE, option, value } from "../option-record.js";
import { customFunction } from "../option-schemas.js";
import { showOwn, showText } from "../show-value.js";

const LANGUAGES = "write an object of words by language, e.g. { de: { labels: { signIn: 'Anmelden' } } }";

const isLanguageTag = (tag: string): boolean => /^[a-zA-Z]{2,3}(-[a-zA-Z\d]{2,8})*$/.test(tag);

const isLogger = (written: unknown): boolean =>
  (["warn", "error"] as const).every((name) => typeof (written as Logger | null)?.[name] === "function");

/** The options for pages, the log and the clock. */
export const pageOptions = {
  languages: option({
    variable: undefined,
    schema: v.record(
      v.pipe(v.string(), v.check(isLanguageTag, LANGUAGES)),
      v.custom<PartialWords>((words) => typeof words === "object" && words !== null, LANGUAGES),
      LANGUAGES,
    ),
    default: value({}),
    show: showText,
  }),
  renderPage: option({
    variable: undefined,
    schema: customFunction<RenderPage>(),
    default: NONE,
    show: showOwn,
  }),
  logger: option({
    variable: undefined,
    schema: v.custom<Logger>(isLogger, "write a logger such as pino's: with the methods warn and error"),
    default: derived(() => "the console"),
    show: showOwn,
  }),
  clock: option({
    variable: undefined,
    schema: customFunction<Clock>(),
    default: derived(() => "Date.now"),
    show: showOwn,
  }),
};
