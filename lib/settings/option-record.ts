import type * as v from "valibot";
import type { Settings } from "./settings.js";

/** Everything that is decided about one option. All members are required, so that none is forgotten. */
export interface OptionRecord<
  Schema extends v.GenericSchema = v.GenericSchema,
  Default = DefaultValue,
  Name = string,
> {
  /** The environment variable; undefined for an option that is set in code only. */
  readonly variable: OptionVariable<Name> | undefined;
  /** Validates and normalizes a value. Its messages say what to write. */
  readonly schema: Schema;
  /** The value that is in effect if the option is not set. */
  readonly default: Default;
  /** Describes a value as it was written, without secrets: see show-value.ts. */
  readonly show: (written: unknown) => string | undefined;
}

/** The environment variable of an option. */
export interface OptionVariable<Name = string> {
  readonly name: Name;
  /**
   * The validity of the variable in an application with several providers.
   *
   * - "shared": it is read for every provider.
   * - "provider": it describes one provider, or the registration there. It is not read if code names another
   *   issuer than PORTAL_ISSUER.
   * - "client": it describes one client. It is not read in that case, nor if code names another client than
   *   PORTAL_CLIENT_ID.
   */
  readonly scope: "provider" | "client" | "shared";
  /** A secret may come from the file that NAME_FILE names. */
  readonly isSecret: boolean;
  /**
   * The behaviour if the option is undefined in code while the variable has a value.
   *
   * - "read": the variable's value is used.
   * - "reject": it is an error. These options decide who can sign in, and code may have read a misspelt
   *   variable.
   */
  readonly ifUndefinedInCode: "read" | "reject";
  /** Converts the variable's text into the option's value. Without it, the text is the value. */
  readonly convert?: (text: string) => unknown;
}

/** The value of an option that is not set. */
export type DefaultValue = RequiredValue | FixedDefault | DerivedDefault;

/** The option has no default: it must be set. */
export interface RequiredValue {
  readonly kind: "required";
}

/** A default that is not written in the option's record. */
export interface DerivedDefault {
  readonly kind: "derived";
  /** Describes the value in effect; undefined if the option has no value then. */
  readonly describe: (settings: Settings) => string | undefined;
  /** The settings are undefined while other options are invalid. */
  readonly getOrigin: (settings: Settings | undefined) => "default" | "profile";
}

/** Marks an option that must be set: there is no default. */
export const REQUIRED: RequiredValue = { kind: "required" };

/** A fixed default. */
export interface FixedDefault<Value = unknown> {
  readonly kind: "value";
  readonly value: Value;
  /** For a value that depends on other options as well; undefined: the value describes itself. */
  readonly describe: ((settings: Settings) => string | undefined) | undefined;
}

/** Creates a fixed default. Its description is needed only if the value depends on other options. */
export const value = <const Value>(
  fixed: Value,
  describe?: FixedDefault["describe"],
): FixedDefault<Value> => ({ kind: "value", value: fixed, describe });

/**
 * Creates a default that follows from other options, from discovery, or from the provider's profile. Its
 * origin is "default", unless `getOrigin` returns "profile".
 */
export const derived = (
  describe: (settings: Settings) => string | undefined,
  getOrigin: DerivedDefault["getOrigin"] = () => "default",
): DerivedDefault => ({ kind: "derived", describe, getOrigin });

/** Marks an option that has no value unless it is set. */
export const NONE = derived(() => undefined);

/**
 * Returns the record as it is. TypeScript infers the types of the schema, the default and the variable's
 * name.
 */
export const option = <
  Schema extends v.GenericSchema,
  Default extends RequiredValue | DerivedDefault | FixedDefault<MaybeReadonly<v.InferInput<Schema>>>,
  const Name extends string = never,
>(
  record: OptionRecord<Schema, Default, Name>,
): OptionRecord<Schema, Default, Name> => record;

type MaybeReadonly<T> = T | Readonly<T>;
