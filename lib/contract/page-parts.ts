import type { Request, Response } from "express";

/** The content of one of our pages. All of it is text, which the renderer must escape. */
export interface Page {
  /**
   * - failure: an error page.
   * - sign_out: the question before a logout.
   * - redirect: a page that continues automatically, by a header.
   * - form: the question whether to submit a form that was saved while the user was not signed in.
   */
  readonly kind: "failure" | "sign_out" | "redirect" | "form";
  /** The language of the texts (BCP 47). */
  readonly lang: string;
  /** The heading. */
  readonly title: string;
  /** One or two sentences: what happened, and what the user can do. */
  readonly text: string;
  /** The links and buttons, the most likely one first. */
  readonly actions: readonly Action[];
  /** The error code. */
  readonly code?: string;
  /** The HTTP status of the failure. */
  readonly status?: number;
  /** Users quote it when they contact support. The log line has it as well. */
  readonly request_id?: string;
  /** Small print: code and request id, in the language of the page. */
  readonly footnote?: string;
}

/** A link, or a form that posts if the action changes something. */
export type Action =
  | {
      /** The text of the link. */
      readonly label: string;
      /** The target of the link: a URL of this site. */
      readonly href: string;
    }
  | {
      /** The text of the button. */
      readonly label: string;
      /** The target of the form: a URL of this site. */
      readonly post: string;
      /** Its hidden fields, in their order. A name may occur more than once. */
      readonly fields: readonly (readonly [name: string, value: string])[];
    };

/**
 * Renders the HTML of a page instead of the default. All texts of the page must be escaped. An action with
 * `post` is a form with hidden fields. Our headers are already set, with a strict Content-Security-Policy.
 * Set that header again if your page loads styles or images. If the function throws, the default page is
 * shown, and the error is logged.
 */
export type RenderPage = (
  page: Page,
  context: { readonly req: Request; readonly res: Response },
) => string | Promise<string>;
