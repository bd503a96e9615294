import { Agent as HttpAgent, IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createRequire } from "node:module";
import type { Readable } from "node:stream";
import type { ProxyServer } from "httpxy";
import { PortalAuthError } from "../errors.js";
import type { ProxySettings } from "./settle.js";

/** One request to the upstream. */
export interface Question {
  readonly method: string | undefined;
  readonly target: URL;
  readonly headers: OutgoingHttpHeaders;
  /** One that emits `piece` shows that it goes forward. */
  readonly body: Readable;
}

/** For whom it is asked. */
export interface Browser {
  readonly req: IncomingMessage;
  /** Aborted when nobody waits for the answer any more. */
  readonly left: AbortSignal;
}

export interface Reply {
  /** Its head has come, its body is on the way. */
  readonly answer: IncomingMessage;
  /** Ends it, whole or not; the browser's own connection goes on. */
  giveUp(): void;
}

/**
 * Asks the upstream, for a browser: when that has left, this ends as well.
 *
 * @throws PortalAuthError `upstream_unreachable`, `upstream_timeout`
 */
export type Ask = (question: Question, browser: Browser) => Promise<Reply>;

/** Shorter than servers keep a connection that nothing uses (Node.js: 5 s): one that is about to close takes no request. */
const UNUSED_MS = 4000;

/** Costs some milliseconds, so it is loaded by those alone who have a proxy. */
const loadHttpxy = (): typeof import("httpxy") => createRequire(import.meta.url)("httpxy");

/** Whether its status is one that an answer can end with (RFC 9110, section 15); Node.js waits for another after 1xx. */
const isFinal = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode <= 599;

/** How to ask one upstream. */
export function createAsk({ upstream, timeoutMs, name }: ProxySettings): Ask {
  const httpxy = loadHttpxy();
  const { protocol, host, hostname, port } = upstream;
  const target = { protocol, host, hostname: hostname.replace(/^\[|\]$/g, ""), port };
  const Agent = protocol === "https:" ? HttpsAgent : HttpAgent;
  // no redirect is followed, for the token would go along; as many connections as there are requests: streams of events stay
  const agent = new Agent({ keepAlive: true, timeout: UNUSED_MS });
  const options = { target, agent, changeOrigin: true, prependPath: false, selfHandleResponse: true };
  const failed = (code: "upstream_unreachable" | "upstream_timeout", seen: string) =>
    new PortalAuthError(code, { detail: `${name}: ${seen}` });

  return async function ask(question, { req, left }) {
    const stand = standIns(question, req);
    const giveUp = () => {
      stand.res.destroy();
      stand.res.emit("close"); // httpxy takes it for the browser's hanging up
    };
    left.throwIfAborted();
    left.addEventListener("abort", giveUp, { once: true });
    const proxy: ProxyServer = httpxy.createProxyServer(options);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Reply>((resolve, reject) => {
        timer = setTimeout(() => {
          reject(failed("upstream_timeout", req.complete ? "no answer in time" : "the upload stood still"));
        }, timeoutMs);
        const isOver = (error?: NodeJS.ErrnoException) =>
          reject(failed("upstream_unreachable", error?.code ?? "the connection broke off before an answer"));
        question.body.on("piece", () => timer?.refresh());
        proxy.once("proxyRes", (answer) => {
          if (isFinal(answer)) return resolve({ answer, giveUp });
          reject(failed("upstream_unreachable", `answered with the status ${answer.statusCode}`));
          giveUp();
        });
        proxy.once("proxyReq", (asking) => {
          asking.once("error", isOver);
          asking.once("close", () => {
            isOver();
            process.nextTick(() => question.body.resume()); // what nobody takes any more must not stand in the way
          });
        });
        proxy.web(stand.req, stand.res, { buffer: question.body }).then(() => isOver(), isOver);
      });
    } finally {
      clearTimeout(timer);
    }
  };
}

/**
 * What httpxy takes for the browser's request and answer. Of the request it would pass on more than may pass, and before
 * its own events could take that out; and an answer that is given up, for another, would take the browser's along.
 */
function standIns({ method, target, headers }: Question, { socket }: IncomingMessage) {
  const req = new IncomingMessage(socket);
  const url = target.pathname + target.search;
  Object.assign(req, { method, url, headers, httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1 });
  return { req, res: new ServerResponse(req) };
}
