import type { Words } from "../../contract/page-parts.js";
import { errorDefinitions, type PortalAuthErrorCode } from "../../errors/portal-auth-error.js";

const sentences = Object.fromEntries(
  Object.entries(errorDefinitions).map(([code, { sentence }]) => [code, sentence]),
);

export const ENGLISH: Words = {
  lang: "en",
  sentences: sentences as Record<PortalAuthErrorCode, string>,
  titles: {
    signInCancelled: "Not signed in",
    signInFailed: "Sign-in did not work",
    signInNeeded: "Please sign in",
    notNow: "Not right now",
    notOpen: "Not open to you",
    didNotWork: "That did not work",
    signOut: "Sign out?",
    goingOn: "One moment",
    sendForm: "Send your form?",
    noForm: "Nothing to send",
  },
  labels: {
    signIn: "Sign in",
    signInAgain: "Sign in again",
    tryAgain: "Try again",
    startPage: "Back to the start page",
    signOut: "Sign out",
    staySignedIn: "Stay signed in",
    goOn: "Go on",
    sendNow: "Send it now",
    doNotSend: "Do not send",
    request: "request",
  },
  signOutQuestion:
    "You did not click a link or a button of this site to get here, so you have not been signed out.",
  formNotSent: "What you sent was not saved. Please send it again after you have signed in.",
  formQuestion:
    "You were signed out before your form was sent, so it has been kept. You are signed in as {name} now.",
  formGone:
    "The form has been sent already, or it was kept for too long. In that case please fill it in once more.",
};
