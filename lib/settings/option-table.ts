import * as v from "valibot";
import type { DefaultValue, FixedDefault, OptionRecord } from "./option-record.js";
import { clientOptions } from "./options/client-options.js";
import { endpointOptions } from "./options/endpoint-options.js";
import { loginOptions } from "./options/login-options.js";
import { logoutOptions } from "./options/logout-options.js";
import { pageOptions } from "./options/page-options.js";
import { providerOptions } from "./options/provider-options.js";
import { routeAndHookOptions } from "./options/route-and-hook-options.js";
import { sessionOptions } from "./options/session-options.js";
import { tokenOptions } from "./options/token-options.js";
import type { PortalAuthOptions } from "./portal-auth-options.js";

/**
 * The record of every option, in the order of the documentation (example-app/guide/configuration.md).
 * TypeScript rejects an option of PortalAuthOptions without a record. Tests compare the records with the
 * docstrings of PortalAuthOptions and with the documentation.
 */
export const OPTIONS = {
  ...providerOptions,
  ...clientOptions,
  ...endpointOptions,
  ...tokenOptions,
  ...loginOptions,
  ...logoutOptions,
  ...routeAndHookOptions,
  ...sessionOptions,
  ...pageOptions,
} satisfies Readonly<Record<keyof PortalAuthOptions, OptionRecord>>;

type Records = typeof OPTIONS;

/** The name of an option. */
export type OptionName = keyof Records;

/** The names of all options, in the order of the documentation. */
export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** Returns the record of an option; undefined if there is no such option. */
export const findRecord = (option: string): OptionRecord | undefined =>
  Object.hasOwn(OPTIONS, option) ? OPTIONS[option as OptionName] : undefined;

type Variables = {
  readonly [Name in OptionName as Records[Name]["variable"] extends infer Variable
    ? [Extract<Variable, { name: string }>["name"]] extends [never]
      ? never
      : Name
    : never]: NonNullable<Records[Name]["variable"]>["name"];
};

/** The name of each option's variable, for the options that have one. */
export const VARIABLES = Object.fromEntries(
  OPTION_NAMES.flatMap((name) => {
    const { variable } = OPTIONS[name];
    return variable ? [[name, variable.name]] : [];
  }),
) as Variables;

/** The variables whose value may come from a file: NAME_FILE. */
export const SECRETS: readonly string[] = OPTION_NAMES.flatMap((name) => {
  const { variable } = OPTIONS[name];
  return variable?.isSecret ? [variable.name] : [];
});

type Defaults = {
  readonly [Name in OptionName as Records[Name]["default"] extends FixedDefault
    ? Name
    : never]: Records[Name]["default"] extends FixedDefault<infer Value> ? Value : never;
};

/** The fixed default of each option that has one. */
export const DEFAULTS = Object.fromEntries(
  OPTION_NAMES.flatMap((name) => {
    const fallback: DefaultValue = OPTIONS[name].default;
    return fallback.kind === "value" ? [[name, fallback.value]] : [];
  }),
) as Defaults;

type Entries = {
  readonly [Name in OptionName]: Records[Name]["default"] extends FixedDefault
    ? v.OptionalSchema<Records[Name]["schema"], v.InferInput<Records[Name]["schema"]>>
    : Records[Name]["default"] extends { readonly kind: "required" }
      ? Records[Name]["schema"]
      : v.OptionalSchema<Records[Name]["schema"], undefined>;
};

/** Validates all options together, and fills in their fixed defaults. */
export const OptionsSchema = v.strictObject(
  Object.fromEntries(OPTION_NAMES.map((name) => [name, toEntry(OPTIONS[name])])) as unknown as Entries,
  "is not an option of express-portal-auth",
);

function toEntry({ schema, default: fallback }: OptionRecord): v.GenericSchema {
  if (fallback.kind === "required") return schema;
  return v.optional(schema, fallback.kind === "value" ? fallback.value : undefined);
}

/**
 * The options after validation: every option is present, undefined if it is not set and has no fixed default.
 */
export type ValidOptions = { readonly [Name in OptionName]: v.InferOutput<Entries[Name]> };
