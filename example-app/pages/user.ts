import type { Claims } from "express-portal-auth";
import { type Html, html } from "./html.js";

/** Returns the best name among the user's claims. */
export const getDisplayName = ({ name, nickname, preferred_username, email, sub }: Claims): string =>
  name || nickname || preferred_username || email || sub;

/** Returns a short name, for a greeting. */
export const getShortName = (user: Claims): string => user.nickname || getDisplayName(user);

/** Renders a picture with the user's initials. */
export const renderAvatar = (user: Claims): Html =>
  html`<span class="avatar" aria-hidden="true">${getInitials(getDisplayName(user))}</span>`;

/** Returns the first letters of the first two words. A letter with its marks, or an emoji, is not split. */
function getInitials(name: string): string {
  const [beforeAt = ""] = name.split("@");
  const words = beforeAt
    .split(/[\s._-]+/)
    .filter(Boolean)
    .slice(0, 2);
  return words.map((word) => [...letters.segment(word)][0]?.segment.toLocaleUpperCase() ?? "").join("");
}

const letters = new Intl.Segmenter();
