import type { Request, Response } from "express";
import { answerError } from "./answer/answer-error.js";
import { beginLogin, type LoginOptions } from "./login/login.js";
import { logOut } from "./logout/logout.js";
import { answersOf, type Parts, type Visit } from "./parts.js";
import { readSession } from "./session/session.js";
import type { Claims, TokenSet } from "./tokens.js";

declare global {
  namespace Express {
    interface Request {
      /** The person of this request. There on every request that portalAuth() has seen. */
      portal: RequestPortal;
    }
  }
}

/** The person of one request. Made for every request, so it does nothing before it is asked. */
export class RequestPortal {
  // Fields, and no object that holds them: one made on every request comes to live in V8's old space, where it keeps
  // its whole request from being collected (measured by `npm run bench -- guard`: 15 % of a request's CPU time).
  readonly #parts: Parts;
  readonly #req: Request;
  readonly #res: Response;
  readonly #mount: string;

  /** @internal Made by portalAuth(). */
  constructor(parts: Parts, req: Request, res: Response) {
    this.#parts = parts;
    this.#req = req;
    this.#res = res;
    this.#mount = req.baseUrl;
  }

  /** @internal For the rooms that answer in the person's name. */
  static insideOf(portal: RequestPortal): { parts: Parts; visit: Visit } {
    return { parts: portal.#parts, visit: portal.#visit() };
  }

  /** Whether somebody is logged in. */
  get isAuthenticated(): boolean {
    return this.#session() !== undefined;
  }

  /** The claims of the verified ID token, or what onLogin kept of them; undefined when nobody is logged in. */
  get claims(): Claims | undefined {
    return this.#session()?.claims;
  }

  /** The tokens as they are stored, or undefined when nobody is logged in. A copy: changing it changes nothing. */
  async tokens(): Promise<TokenSet | undefined> {
    const session = this.#session();
    return session && { ...session.tokens };
  }

  /**
   * Answers this request by sending the browser to the portal; or, when the login cannot begin (`portal_unreachable`,
   * …), by the failure's page or problem. It never rejects: Express 4 would not notice, and Node.js end the process.
   */
  async login(options: LoginOptions = {}): Promise<void> {
    await beginLogin(this.#parts, this.#visit(), options).catch((error) =>
      answerError(this.#req, this.#res, error, answersOf(this.#parts, this.#mount, options.returnTo)),
    );
  }

  /**
   * Logs the person out here and answers this request by sending the browser on to the portal's logout; or, when the
   * store fails and the person is still logged in, by that failure. It never rejects. Call it from a route that another
   * site cannot trigger; the route /logout sees to that by itself.
   */
  async logout(): Promise<void> {
    await logOut(this.#parts, this.#visit()).catch((error) =>
      answerError(this.#req, this.#res, error, answersOf(this.#parts, this.#mount)),
    );
  }

  #session() {
    return readSession(this.#req, this.#parts.settings);
  }

  #visit(): Visit {
    return { req: this.#req, res: this.#res, mount: this.#mount };
  }
}
