import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";
import { renderTime } from "./time.js";

/** Labels of common claims, the most interesting ones first (OpenID Connect Core 1.0, sections 2 and 5.1). */
const LABELS: Record<string, string> = {
  name: "Name",
  nickname: "Nickname",
  preferred_username: "User name",
  email: "Email",
  email_verified: "Email verified",
  locale: "Language",
  zoneinfo: "Time zone",
  sub: "User ID",
  iss: "Issuer",
  aud: "Audience",
  azp: "Requested by",
  auth_time: "Signed in",
  iat: "Issued",
  exp: "Expires",
  jti: "Token ID",
  nonce: "Nonce of the login",
};

const TIME_CLAIMS = ["auth_time", "iat", "exp", "nbf", "updated_at"];

/** Renders all claims as a table: those with a label first. */
export function renderClaimsTable(claims: Claims): Html {
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
  const title = label === undefined ? undefined : html`<span>${label}</span> `;
  return html`<tr><th scope="row">${title}<code>${name}</code></th><td>${formatClaim(name, value)}</td></tr>
`;
}

function formatClaim(name: string, value: unknown): Html | string {
  if (typeof value === "number" && TIME_CLAIMS.includes(name)) return renderTime(value * 1000);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
