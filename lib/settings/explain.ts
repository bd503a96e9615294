import type { OptionRecord } from "./option-record.js";
import { OPTION_NAMES, OPTIONS, type OptionName } from "./option-table.js";
import type { PortalAuthOptions } from "./portal-auth-options.js";
import { type Origin, type ResolvedOptions, resolveOptions } from "./resolve-options.js";
import type { Settings } from "./settings.js";
import { showText } from "./show-value.js";

/** One option as it is in effect. */
export interface ExplainedOption {
  /** The name of the option in code. */
  readonly option: keyof PortalAuthOptions;
  /** Its environment variable, if it has one; NAME_FILE if the value was read from a file. */
  readonly variable: string | undefined;
  /**
   * A description of the value; undefined for an option without a value. Secrets are described by their
   * length only.
   */
  readonly value: string | undefined;
  /** The source of the value. */
  readonly origin: Origin;
}

/**
 * Returns the effective configuration: each option's value and its source, without secrets. It throws
 * nothing: an invalid value is shown as it was written. It also reads the files that NAME_FILE names.
 *
 * @param options as given to portalAuth()
 * @param env default: process.env
 */
export function explain(options: PortalAuthOptions = {}, env?: NodeJS.ProcessEnv): ExplainedOption[] {
  return explainResolved(resolveOptions(options, env));
}

/** Returns the effective configuration of resolved options, in the order of the documentation. */
export const explainResolved = (resolved: ResolvedOptions): ExplainedOption[] =>
  OPTION_NAMES.map((option) => explainOption(option, OPTIONS[option], resolved));

function explainOption(
  option: OptionName,
  record: OptionRecord,
  { written, origins, settings }: ResolvedOptions,
): ExplainedOption {
  const origin = origins[option] ?? getDefaultOrigin(record, settings);
  const name = record.variable?.name;
  return {
    option,
    variable: name !== undefined && origin === "file" ? `${name}_FILE` : name,
    value: written[option] === undefined ? describeDefault(record, settings) : record.show(written[option]),
    origin,
  };
}

const getDefaultOrigin = ({ default: fallback }: OptionRecord, settings: Settings | undefined): Origin =>
  fallback.kind === "derived" ? fallback.getOrigin(settings) : "default";

/**
 * Describes the value of an option that is not set. A derived value is unknown while other options are
 * invalid.
 */
function describeDefault(
  { default: fallback }: OptionRecord,
  settings: Settings | undefined,
): string | undefined {
  if (fallback.kind === "required") return undefined;
  if (fallback.kind === "derived") return settings && fallback.describe(settings);
  return settings && fallback.describe ? fallback.describe(settings) : showText(fallback.value);
}
