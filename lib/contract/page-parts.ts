import type { Request, Response } from "express";

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
