import * as v from "valibot";
import type { Clock } from "../contract/clock.js";
import type { Hooks } from "../contract/hooks.js";
import type { Logger } from "../contract/logger.js";
import type { RenderPage } from "../contract/page-parts.js";
import type { WordsGiven } from "../errors/languages/words.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { MEMORY } from "../store/store-address.js";
import type { StoreGiven } from "../store/store-given.js";
import { deepFreeze } from "../util/deep-freeze.js";
import { withoutSlash } from "../util/without-trailing-slash.js";
import { alike, readSecret, readVariable, unknownVariables } from "./environment.js";
import {
  CLIENT_SECRET_MISSING,
  conflicts,
  lacksClientSecret,
  type OptionProblem,
  problemOf,
  undefinedOption,
  unknownOption,
} from "./option-problems.js";
import { DEFAULTS, OptionsSchema, SECRETS, VARIABLES } from "./option-table.js";
import type { PortalAuthOptions, Routes } from "./options.js";
import { type NoncePolicy, PROFILES, type Profile, profileOfIssuer } from "./profiles.js";
import type { IdTokenAlgorithm } from "./signature-algorithms.js";
import { isLeftOutByMistake, whyNotRead } from "./variable-owners.js";

/** What the options, the environment and the defaults came to. Nothing is added or changed afterwards. */
export interface Settings {
  /** Undefined for the one that needs no name. */
  readonly name: string | undefined;
  /** The option without the slash at its end, so that adding or removing the slash ends no session. */
  readonly issuer: string;
  /** The option as it was written, for messages and for a provider without discovery. */
  readonly issuerAsWritten: string;
  readonly discoveryUrl: string | undefined;
  /** Without the slash at its end. */
  readonly internalUrl: string | undefined;
  /** Ids in lower case, or `*` for all. */
  readonly allowedTenants: "*" | readonly string[] | undefined;
  readonly profile: Profile;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly clientAuth: NonNullable<PortalAuthOptions["clientAuth"]>;
  readonly redirectUri: string;
  readonly tlsTerminated: boolean;
  readonly scope: string;
  readonly authorizationParams: NonNullable<PortalAuthOptions["authorizationParams"]>;
  readonly nonce: NoncePolicy;
  readonly idTokenAlg: IdTokenAlgorithm | undefined;
  readonly authorizationUrl: string | undefined;
  readonly tokenUrl: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly userinfoUrl: string | undefined;
  readonly revocationUrl: string | undefined;
  readonly logoutUrl: string | undefined;
  /** Undefined for the start page: see external-address.ts. */
  readonly postLogoutRedirectUri: string | undefined;
  readonly httpTimeout: number;
  readonly clockTolerance: number;
  readonly refreshLeeway: number;
  readonly loginTimeout: number;
  /** Undefined for the start page. */
  readonly lateCallbackPath: string | undefined;
  readonly apiOrigins: readonly string[];
  readonly rolesClaim: string;
  readonly silentLogin: boolean;
  readonly thirdPartyLogin: boolean;
  readonly backchannelLogout: boolean;
  readonly frontchannelLogout: boolean;
  /** Those of what is off are false. */
  readonly routes: Routes;
  readonly hooks: Readonly<Hooks>;
  readonly secrets: readonly string[];
  /** A store, or the address of one; undefined for the memory of this process. */
  readonly store: StoreGiven | undefined;
  readonly tokenEncryptionKeys: readonly string[];
  readonly sameSite: "lax" | "strict";
  readonly sessionIdle: number;
  readonly sessionAbsolute: number;
  readonly keepSessionKeys: readonly string[];
  readonly sessionClaims: readonly string[];
  readonly languages: Readonly<Record<string, WordsGiven>>;
  readonly renderPage: RenderPage | undefined;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
  /** Whether people reach the app over https: decides `Secure` and the `__Host-` prefix of our cookies. */
  readonly https: boolean;
}

/** There from the start, so that each is missed with its own sentence of what to write. */
const REQUIRED = { issuer: undefined, clientId: undefined, redirectUri: undefined, secret: undefined };

/**
 * Settles options, environment and defaults, once, when the app starts. An option in code wins over its variable.
 *
 * @throws PortalAuthError `options_invalid`: all problems at once, each with its name and what to write there.
 */
export function settleOptions(given: PortalAuthOptions = {}, env: NodeJS.ProcessEnv = process.env): Settings {
  return settledOf(tryOptions(given, env), env);
}

/** The same for who has tried them. */
export function settledOf({ settings, problems }: Tried, env: NodeJS.ProcessEnv = process.env): Settings {
  if (settings) return settings;
  const typos = unknownVariables(env, knownVariables());
  throw new PortalAuthError("options_invalid", {
    detail: `${["", ...new Set([...problems.map(({ text }) => text), ...typos])].join("\n  - ")}\n  More: npx express-portal-auth explain options_invalid`,
  });
}

/** Where a value comes from. */
export type Origin = "option" | "variable" | "file" | "profile" | "default";

/** What was found for the options, and what came of it. */
export interface Tried {
  /** As it was written, by option. */
  readonly wished: Readonly<Record<string, unknown>>;
  /** Of each of those. */
  readonly origins: Readonly<Record<string, Origin>>;
  /** Those that were read from a file: its path. */
  readonly files: Readonly<Record<string, string>>;
  readonly problems: readonly OptionProblem[];
  /** Undefined where there are problems. */
  readonly settings: Settings | undefined;
}

/** The same for who wants to know of each option: it throws nothing. */
export function tryOptions(given: PortalAuthOptions = {}, env: NodeJS.ProcessEnv = process.env): Tried {
  const { wished, origins, files, problems } = gather(given, env);
  const checked = v.safeParse(OptionsSchema, wished);
  if (!checked.success)
    problems.push(...checked.issues.filter(saysMore(problems)).map((one) => problemOf(one, wished)));
  if (lacksClientSecret(wished, problems)) problems.push(CLIENT_SECRET_MISSING);
  if (checked.success) problems.push(...conflicts(checked.output, settleRoutes(checked.output)));
  const isGood = checked.success && problems.length === 0;
  problems.sort((one, other) => placeOf(one) - placeOf(other)); // as the README's table has them
  return { wished, origins, files, problems, settings: isGood ? settle(checked.output) : undefined };
}

/** Of an option of which all is said, the schema would say that it is missing. */
const saysMore =
  (told: readonly OptionProblem[]) =>
  (issue: v.BaseIssue<unknown>): boolean =>
    !told.some(({ option }) => option === v.getDotPath(issue));

const OPTIONS = Object.keys(OptionsSchema.entries);
const placeOf = ({ option }: OptionProblem): number =>
  OPTIONS.includes(option) ? OPTIONS.indexOf(option) : Infinity;

/** An option in code wins over its variable, and that over the file that another variable names. */
function gather(given: PortalAuthOptions, env: NodeJS.ProcessEnv) {
  const problems: OptionProblem[] = [];
  const origins: Record<string, Origin> = {};
  const files: Record<string, string> = {};
  const wished: Record<string, unknown> = { ...REQUIRED };
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!OPTIONS.includes(option)) {
      problems.push(unknownOption(option, alike(option, OPTIONS)));
      continue;
    }
    wished[option] = value;
    origins[option] = "option";
  }
  for (const [option, variable] of Object.entries(VARIABLES)) {
    if (wished[option] !== undefined) continue;
    const found = SECRETS.includes(variable) ? readSecret(env, variable) : readVariable(env, variable);
    if (found.problem) problems.push({ option, text: found.problem, advice: found.problem });
    if (!found.value) continue;
    if (isLeftOutByMistake(option, given)) {
      problems.push(undefinedOption(option));
      continue;
    }
    const notRead = whyNotRead(option, given, env);
    if (notRead) {
      if (option === "clientId" || (option === "clientSecret" && given.clientAuth !== "none"))
        problems.push({ option, text: notRead, advice: notRead });
      continue;
    }
    wished[option] = option === "authorizationParams" ? { auth_source_id: found.value } : found.value;
    origins[option] = found.file === undefined ? "variable" : "file";
    if (found.file !== undefined) files[option] = found.file;
  }
  return { wished, origins, files, problems };
}

/** Whether NODE_ENV is production. Spaces, a CR or quotation marks around it, and capitals, change nothing. */
export const isProduction = (env: NodeJS.ProcessEnv = process.env): boolean =>
  /^["']?\s*production\s*["']?$/i.test(env["NODE_ENV"]?.trim() ?? "");

/** Typos in the environment, for a warning when all that is required was there nevertheless. */
export function warnings(env: NodeJS.ProcessEnv = process.env): string[] {
  return unknownVariables(env, knownVariables());
}

/** The environment, and below it what files say: of several the later wins, as with `node --env-file`. */
export const withFiles = (files: readonly NodeJS.Dict<string>[]): NodeJS.ProcessEnv =>
  Object.assign({}, ...files, process.env);

function settle(options: v.InferOutput<typeof OptionsSchema>): Settings {
  const profile: Profile = PROFILES[options.profile ?? profileOfIssuer(new URL(options.issuer))];
  const settled = {
    name: options.name,
    issuer: withoutSlash(options.issuer),
    issuerAsWritten: options.issuer,
    discoveryUrl: options.discoveryUrl,
    internalUrl: options.internalUrl,
    allowedTenants: options.allowedTenants,
    profile,
    clientId: options.clientId,
    clientSecret: options.clientAuth === "none" ? undefined : options.clientSecret,
    clientAuth: options.clientAuth,
    redirectUri: options.redirectUri,
    tlsTerminated: options.tlsTerminated,
    scope: options.scope,
    authorizationParams:
      typeof options.authorizationParams === "function"
        ? options.authorizationParams
        : { ...options.authorizationParams },
    nonce: options.nonce ?? profile.nonce,
    idTokenAlg: options.idTokenAlg,
    authorizationUrl: options.authorizationUrl,
    tokenUrl: options.tokenUrl,
    jwksUrl: options.jwksUrl,
    userinfoUrl: options.userinfoUrl,
    revocationUrl: options.revocationUrl,
    logoutUrl: options.logoutUrl,
    postLogoutRedirectUri: options.postLogoutRedirectUri,
    httpTimeout: options.httpTimeout,
    clockTolerance: options.clockTolerance,
    refreshLeeway: options.refreshLeeway,
    loginTimeout: options.loginTimeout,
    lateCallbackPath: options.lateCallbackPath,
    apiOrigins: options.apiOrigins,
    rolesClaim: options.rolesClaim,
    silentLogin: options.silentLogin,
    thirdPartyLogin: options.thirdPartyLogin,
    backchannelLogout: options.backchannelLogout,
    frontchannelLogout: options.frontchannelLogout,
    routes: settleRoutes(options),
    hooks: options.hooks as Hooks,
    secrets: options.secret,
    tokenEncryptionKeys: options.tokenEncryptionKey ?? [],
    sameSite: options.sameSite,
    sessionIdle: options.sessionIdle,
    sessionAbsolute: options.sessionAbsolute,
    keepSessionKeys: options.keepSessionKeys,
    sessionClaims: options.sessionClaims,
    languages: options.languages,
    renderPage: options.renderPage,
    clock: options.clock,
    https: options.redirectUri.startsWith("https:"),
  };
  // A store and a logger stay as the application has made them.
  const store = options.store === MEMORY ? undefined : options.store;
  return Object.freeze({ ...deepFreeze(settled), store, logger: options.logger });
}

function settleRoutes(options: v.InferOutput<typeof OptionsSchema>): Routes {
  const given = Object.entries(options.routes).filter(([, path]) => path !== undefined);
  const routes = { ...DEFAULTS.routes, session: false, ...Object.fromEntries(given) } as Routes;
  const { login, form = login && `${withoutSlash(login)}/form` } = routes; // beside the login's, which two below one mount have not in common
  const off = SWITCHED.filter((name) => !options[name]).map((name) => [name, false]);
  return { ...routes, form, ...Object.fromEntries(off) };
}

/** There only where the option of that name is on. */
const SWITCHED = ["backchannelLogout", "frontchannelLogout"] as const;

function knownVariables(): string[] {
  const read = Object.values(VARIABLES);
  return [...read, ...SECRETS.map((name) => `${name}_FILE`)];
}
