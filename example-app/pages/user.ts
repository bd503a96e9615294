import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";

/** What to call a person: the best that the portal told. */
export const getDisplayName = ({ name, nickname, preferred_username, email, sub }: Claims): string =>
  name || nickname || preferred_username || email || sub;

/** The short form, for a greeting. */
export const getShortName = (user: Claims): string => user.nickname || getDisplayName(user);

export const renderAvatar = (user: Claims): Html =>
  html`<span class="avatar" aria-hidden="true">${getInitials(getDisplayName(user))}</span>`;

/** The first letters of the first two words. A letter with its marks, or an emoji, stays whole. */
function getInitials(name: string): string {
  const [beforeAt = ""] = name.split("@");
  const words = beforeAt
    .split(/[\s._-]+/)
    .filter(Boolean)
    .slice(0, 2);
  return words.map((word) => [...letters.segment(word)][0]?.segment.toLocaleUpperCase() ?? "").join("");
}

const letters = new Intl.Segmenter();
