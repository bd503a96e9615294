import * as v from "valibot";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { checkAuthorizationParams } from "./authorization-params.js";
import { type OptionsSchema, VARIABLES } from "./option-table.js";
import type { Routes } from "./options.js";
import { isSymmetric, minimumSecretBytes } from "./signature-algorithms.js";

/** What is wrong with an option, and what to write there. */
export interface OptionProblem {
  /** "" where it is none of them: a name that does not exist. */
  readonly option: string;
  /** Names the variable and the option. */
  readonly text: string;
  /** What to write there, for who stands before it. */
  readonly advice: string;
}

const problem = (option: string, name: string, advice: string): OptionProblem => ({
  option,
  text: `${name}: ${advice}`,
  advice,
});

/** One problem: the variable and the option, and what to write there. What was written is left out: it may be a secret. */
export function problemOf(
  issue: v.BaseIssue<unknown>,
  wished: Readonly<Record<string, unknown>>,
): OptionProblem {
  const path = v.getDotPath(issue) ?? "";
  const option = path.split(".")[0] ?? "";
  const variable = (VARIABLES as Record<string, string>)[option];
  const name = variable ? `${variable} (option ${path})` : `option ${path}`;
  if (!variable && issue.type === "strict_object") return problem(option, name, "no such option");
  return problem(option, wished[option] !== undefined ? name : `${name} is missing`, issue.message);
}

/** One that does not exist, with the one that may be meant. */
export const unknownOption = (option: string, alike: string | undefined): OptionProblem =>
  problem(
    option,
    `option ${option}`,
    alike === undefined ? "no such option" : `no such option: did you mean ${alike}?`,
  );

/** One that stands in code without a value, where its variable has one that would be taken. */
export const undefinedOption = (option: string): OptionProblem => {
  const variable = VARIABLES[option as keyof typeof VARIABLES];
  return problem(
    option,
    `option ${option} is undefined in code`,
    `see to what it is read from, or leave it out where ${variable} is meant`,
  );
};

/** Whether a client that should have a secret has none, and nothing else was said of it. */
export const lacksClientSecret = (
  wished: Readonly<Record<string, unknown>>,
  problems: readonly OptionProblem[],
): boolean =>
  !wished["clientSecret"] &&
  wished["clientAuth"] !== "none" &&
  !problems.some(({ option }) => option === "clientSecret");

export const CLIENT_SECRET_MISSING: OptionProblem = problem(
  "clientSecret",
  `${VARIABLES.clientSecret} (option clientSecret) is missing`,
  `write the client_secret that the portal shows for your application, or set ${VARIABLES.clientAuth}=none for one that has none`,
);

/** What is answered, or comes back, at a route of ours, and would do nothing without it. */
const NEEDS = {
  backchannelLogout: "backchannelLogout",
  frontchannelLogout: "frontchannelLogout",
  silentLogin: "callback",
  thirdPartyLogin: "login",
  sessionClaims: "session",
} as const;

/** What is switched on while its route is off, so that it would do nothing, and nobody be told. */
function withoutRoute(options: v.InferOutput<typeof OptionsSchema>): OptionProblem[] {
  const { routes } = options;
  return (Object.keys(NEEDS) as (keyof typeof NEEDS)[]).flatMap((option) => {
    const [route, wished] = [NEEDS[option], options[option]];
    const isOff = routes[route] === false || (route === "session" && routes[route] === undefined);
    if (!isOff || wished === false || (Array.isArray(wished) && wished.length === 0)) return [];
    const variable = (VARIABLES as Record<string, string>)[option];
    const name = variable === undefined ? `option ${option}` : `${variable} (option ${option})`;
    return [problem(option, name, `give routes.${route} a path, or leave this out: it does nothing without`)];
  });
}

/** An algorithm whose key is the client secret, without a secret that is long enough (RFC 7518, section 3.2). */
function weakKey({
  idTokenAlg,
  clientAuth,
  clientSecret = "",
}: v.InferOutput<typeof OptionsSchema>): OptionProblem[] {
  if (!isSymmetric(idTokenAlg)) return [];
  const least = minimumSecretBytes(String(idTokenAlg));
  const isLongEnough = clientAuth !== "none" && Buffer.byteLength(clientSecret) >= least;
  if (isLongEnough) return [];
  const advice = `${idTokenAlg} needs a client secret of ${least} bytes at least: let the provider issue a longer one, or register RS256`;
  return [problem("idTokenAlg", `${VARIABLES.idTokenAlg} (option idTokenAlg)`, advice)];
}

/** What is right by itself and wrong beside something else. */
export function conflicts(options: v.InferOutput<typeof OptionsSchema>, routes: Routes): OptionProblem[] {
  const { redirectUri, authorizationParams } = options;
  const problems: OptionProblem[] = [];
  if (routes.callback !== false && !new URL(redirectUri).pathname.endsWith(routes.callback))
    problems.push(
      problem(
        "redirectUri",
        `${VARIABLES.redirectUri} (option redirectUri)`,
        `write an address that ends in ${routes.callback}, or set routes.callback`,
      ),
    );
  if (options.tlsTerminated && !redirectUri.startsWith("https:"))
    problems.push(
      problem(
        "tlsTerminated",
        `${VARIABLES.tlsTerminated} (option tlsTerminated)`,
        `remove it, or write an https address in ${VARIABLES.redirectUri}`,
      ),
    );
  const paths = Object.values(routes).filter((path) => path !== false);
  if (new Set(paths).size < paths.length)
    problems.push(problem("routes", "option routes", "write a path of its own for each"));
  problems.push(...withoutRoute(options), ...weakKey(options));
  if (typeof authorizationParams !== "function") {
    try {
      checkAuthorizationParams(authorizationParams);
    } catch (error) {
      const name = `${VARIABLES.authorizationParams} (option authorizationParams)`;
      problems.push(problem("authorizationParams", name, (error as PortalAuthError).message));
    }
  }
  return problems;
}
