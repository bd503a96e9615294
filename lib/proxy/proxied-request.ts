import type { Request, Response } from "express";
import type { RouterContext } from "../context/router-context.js";
import type { ProxySettings } from "./resolve-proxy-options.js";
import type { SendToUpstream } from "./send-to-upstream.js";
import type { RequestedPath } from "./upstream-url.js";

/** One request on its way to the upstream and back. */
export interface ProxiedRequest {
  readonly req: Request;
  readonly res: Response;
  /** Aborted when the answer has ended, or nobody waits for it any more. */
  readonly signal: AbortSignal;
  readonly router: RouterContext;
  /** The path of this proxy, as browsers see it. */
  readonly mount: string;
  readonly settings: ProxySettings;
  readonly sendToUpstream: SendToUpstream;
  readonly requestedPath: RequestedPath;
}
