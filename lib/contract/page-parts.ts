import type { Request, Response } from "express";
import type { PortalAuthErrorCode } from "../errors/portal-auth-error.js";

/** What stands on one of our pages. All of it is text: whoever renders it escapes it. */
export interface Page {
  /**
   * A failure; the question that comes before a logout; a page that goes on by itself (a header says so); or the question
   * whether to send a form that nobody was signed in for.
   */
  readonly kind: "failure" | "sign_out" | "go_on" | "form";
  /** The language of its words (BCP 47). */
  readonly lang: string;
  /** The heading. */
  readonly title: string;
  /** A sentence or two: what happened, and what the person can do. */
  readonly text: string;
  /** What can be done from here, the likeliest first. */
  readonly actions: readonly Action[];
  /** The failure's code. */
  readonly code?: string;
  /** The failure's HTTP status. */
  readonly status?: number;
  /** For whoever is asked for help: it stands in the log line as well. */
  readonly request_id?: string;
  /** Small print: code and request id, in the page's language. */
  readonly footnote?: string;
}

/** A link, or, where something changes, a form that posts. */
export type Action =
  | {
      /** Its words. */
      readonly label: string;
      /** Where the link leads: an address of this site. */
      readonly href: string;
    }
  | {
      /** Its words. */
      readonly label: string;
      /** Where the form posts to: an address of this site. */
      readonly post: string;
      /** Its hidden fields, in their order: a name may come more than once. */
      readonly fields: readonly (readonly [name: string, value: string])[];
    };

/**
 * Makes the HTML of a page, instead of ours. What it is given is text, to be escaped; of the actions a `post` is a form
 * with hidden fields. Our headers are set by then, a strict Content-Security-Policy among them: set it anew where your
 * page loads styles or images. When it throws, our own page is shown and the log says so.
 */
export type RenderPage = (
  page: Page,
  context: { readonly req: Request; readonly res: Response },
) => string | Promise<string>;

/** What a person reads on our pages, in one language. */
export interface Words {
  /** For `<html lang>` and Content-Language (BCP 47). */
  readonly lang: string;
  /** What has happened, and what the person can do: by the failure's code. */
  readonly sentences: Readonly<Record<PortalAuthErrorCode, string>>;
  /** The headings. */
  readonly titles: {
    /** Of a login that the person did not want. */
    readonly signInCancelled: string;
    /** Of a login that came to nothing. */
    readonly signInFailed: string;
    /** Of a page that asks the user to sign in first. */
    readonly signInNeeded: string;
    /** Of what may work in a moment (503). */
    readonly notNow: string;
    /** Of what somebody who is signed in may not see. */
    readonly notOpen: string;
    /** Of every other failure. */
    readonly didNotWork: string;
    /** Of the question before a logout. */
    readonly signOut: string;
    /** Of a page that goes on by itself. */
    readonly goingOn: string;
    /** Of the question whether to send a form that was kept. */
    readonly sendForm: string;
    /** Where there is none to be sent. */
    readonly noForm: string;
  };
  /** The words on links and buttons. */
  readonly labels: {
    /** Leads to the login, for who has not been there. */
    readonly signIn: string;
    /** Leads to the login, for who has. */
    readonly signInAgain: string;
    /** Asks for the same once more. */
    readonly tryAgain: string;
    /** Leads to the root of the site. */
    readonly startPage: string;
    /** The button that logs out. */
    readonly signOut: string;
    /** Leads away from the question before a logout. */
    readonly staySignedIn: string;
    /** On a page that goes on by itself, for browsers that do not. */
    readonly goOn: string;
    /** The button that sends the form that was kept. */
    readonly sendNow: string;
    /** The button that forgets it. */
    readonly doNotSend: string;
    /** Before the id that the person tells whoever they ask for help. */
    readonly request: string;
  };
  /** Explains why the logout route asks first: the user did not click a link or a button of this site. */
  readonly signOutQuestion: string;
  /** Tells the user to send a form again after the sign-in, as it was not kept. */
  readonly formNotSent: string;
  /** Asks whether to send a form that was kept. `{name}` stands for who is signed in now: it may be somebody else. */
  readonly formQuestion: string;
  /** Told where there is none: it was sent already, or kept for too long. */
  readonly formGone: string;
}

/** A language of the application's own. What is left out is English. */
export interface WordsGiven {
  /** Sentences, by the failure's code. */
  readonly sentences?: Partial<Words["sentences"]>;
  /** Headings. */
  readonly titles?: Partial<Words["titles"]>;
  /** The words on links and buttons. */
  readonly labels?: Partial<Words["labels"]>;
  /** The question before a logout. */
  readonly signOutQuestion?: string;
  /** Tells the user to send a form again after the sign-in. */
  readonly formNotSent?: string;
  /** The question whether to send a form; with `{name}` in it. */
  readonly formQuestion?: string;
  /** What is said where there is no form to be sent. */
  readonly formGone?: string;
}
