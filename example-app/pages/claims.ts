import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";
import { time } from "./time.js";

/** The claims that most people meet, in the order of interest (OpenID Connect Core 1.0, sections 2 and 5.1). */
const LABELS: Record<string, string> = {
  name: "Name",
  nickname: "Nickname",
  preferred_username: "User name",
  email: "Email",
  email_verified: "Email verified",
  locale: "Language",
  zoneinfo: "Time zone",
  sub: "Your identifier",
  iss: "Issuer",
  aud: "Made for",
  azp: "Asked for by",
  auth_time: "Signed in",
  iat: "Issued",
  exp: "Ends",
  jti: "Identifier of the token",
  nonce: "Identifier of the login",
};

const TIME_CLAIMS = ["auth_time", "iat", "exp", "nbf", "updated_at"];

export function claimsTable(claims: Claims): Html {
  const known = Object.keys(LABELS).filter((name) => claims[name] !== undefined);
  const others = Object.keys(claims).filter((name) => !(name in LABELS) && claims[name] !== undefined);
  return html`<table class="claims">
<thead class="visually-hidden"><tr><th scope="col">Claim</th><th scope="col">Value</th></tr></thead>
<tbody>
${[...known, ...others].map((name) => renderRow(name, claims[name]))}
</tbody>
</table>`;
}

function renderRow(name: string, value: unknown): Html {
  const label = LABELS[name];
  return html`<tr><th scope="row">${label === undefined ? undefined : html`<span>${label}</span> `}<code>${name}</code></th><td>${formatClaim(name, value)}</td></tr>
`;
}

function formatClaim(name: string, value: unknown): Html | string {
  if (typeof value === "number" && TIME_CLAIMS.includes(name)) return time(value * 1000);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
