import type { PortalAuthErrorCode } from "../error-codes.js";

/** All texts that users read on our pages, in one language. */
export interface Words {
  /** For `<html lang>` and Content-Language (BCP 47). */
  readonly lang: string;
  /** User messages by error code: what happened, and what the user can do. */
  readonly sentences: Readonly<Record<PortalAuthErrorCode, string>>;
  /** The headings. */
  readonly titles: {
    /** The user cancelled the sign-in. */
    readonly signInCancelled: string;
    /** A sign-in failed. */
    readonly signInFailed: string;
    /** The user must sign in first. */
    readonly signInNeeded: string;
    /** A failure that may pass in a moment (503). */
    readonly notNow: string;
    /** A signed-in user has no access. */
    readonly notOpen: string;
    /** Every other failure. */
    readonly didNotWork: string;
    /** The question before a logout. */
    readonly signOut: string;
    /** A page that continues automatically. */
    readonly redirecting: string;
    /** The question whether to submit a saved form. */
    readonly sendForm: string;
    /** There is no saved form. */
    readonly noForm: string;
  };
  /** The texts of links and buttons. */
  readonly labels: {
    /** Link to the login, before the user has been there. */
    readonly signIn: string;
    /** Link to the login, after a failed login. */
    readonly signInAgain: string;
    /** Link that repeats the request. */
    readonly tryAgain: string;
    /** Link to the start page of the site. */
    readonly startPage: string;
    /** Button that signs out. */
    readonly signOut: string;
    /** Link that leaves the question before a logout. */
    readonly staySignedIn: string;
    /** Link on a page that continues automatically, for browsers that do not. */
    readonly continue: string;
    /** Button that submits the saved form. */
    readonly sendNow: string;
    /** Button that discards the saved form. */
    readonly doNotSend: string;
    /** Word before the request id, which users quote when they contact support. */
    readonly request: string;
  };
  /** Explains why the logout route asks first: the user did not click a link or a button of this site. */
  readonly signOutQuestion: string;
  /** Asks the user to submit a form again after the sign-in, because it was not saved. */
  readonly formNotSent: string;
  /**
   * Asks whether to submit a saved form. `{name}` is the user who is signed in now, who may be another one.
   */
  readonly formQuestion: string;
  /** Explains that there is no saved form: it was already submitted, or its time limit has passed. */
  readonly formGone: string;
}

/** A language of the application. Missing texts are English. */
export interface PartialWords {
  /** User messages by error code. */
  readonly sentences?: Partial<Words["sentences"]>;
  /** Headings. */
  readonly titles?: Partial<Words["titles"]>;
  /** The texts of links and buttons. */
  readonly labels?: Partial<Words["labels"]>;
  /** The question before a logout. */
  readonly signOutQuestion?: string;
  /** Asks the user to submit a form again after the sign-in. */
  readonly formNotSent?: string;
  /** The question whether to submit a saved form; with `{name}` in it. */
  readonly formQuestion?: string;
  /** Explains that there is no saved form. */
  readonly formGone?: string;
}
