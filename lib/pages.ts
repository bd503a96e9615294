import type { Request, Response } from "express";
import type { PortalAuthErrorCode } from "./errors.js";

/** What stands on one of our pages. All of it is text: whoever renders it escapes it. */
export interface Page {
  /** A failure; the question that comes before a logout; or a page that goes on by itself (a header says so). */
  readonly kind: "failure" | "sign_out" | "go_on";
  /** The language of its words (BCP 47). */
  readonly lang: string;
  readonly title: string;
  readonly text: string;
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
  | { readonly label: string; readonly href: string }
  | { readonly label: string; readonly post: string; readonly fields: Readonly<Record<string, string>> };

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
  readonly titles: {
    readonly signInCancelled: string;
    readonly signInFailed: string;
    readonly notNow: string;
    readonly didNotWork: string;
    readonly signOut: string;
    readonly goingOn: string;
  };
  readonly labels: {
    readonly signIn: string;
    readonly signInAgain: string;
    readonly tryAgain: string;
    readonly startPage: string;
    readonly signOut: string;
    readonly staySignedIn: string;
    readonly goOn: string;
    /** Before the id that the person tells whoever they ask for help. */
    readonly request: string;
  };
  /** Asks whoever did not come to the logout from a page of this site. */
  readonly signOutQuestion: string;
}

/** A language of the application's own. What is left out is English. */
export interface WordsGiven {
  readonly sentences?: Partial<Words["sentences"]>;
  readonly titles?: Partial<Words["titles"]>;
  readonly labels?: Partial<Words["labels"]>;
  readonly signOutQuestion?: string;
}
