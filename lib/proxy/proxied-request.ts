import type { Request, Response } from "express";
import type { RouterContext } from "../context/router-context.js";
import type { ProxySettings } from "./resolve-proxy-options.js";
import type { SendToUpstream } from "./send-to-upstream.js";
import type { RequestedPath } from "./upstream-url.js";

/** One request that is forwarded to the upstream, with its response. */
export interface ProxiedRequest {
  readonly req: Request;
  readonly res: Response;
  /** Aborted when the response has ended, or the browser has closed the connection. */
  readonly signal: AbortSignal;
  readonly router: RouterContext;
  /** The path of this proxy, as browsers see it. */
  readonly mount: string;
  readonly settings: ProxySettings;
  readonly sendToUpstream: SendToUpstream;
  readonly requestedPath: RequestedPath;
}
