import { type IncomingMessage, type RequestListener, request, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { type PortalProxyOptions, portalProxy } from "../../lib/index.js";
import { logIn } from "../access/signed-in-request.js";
import { serve } from "../support/serve.js";

/** What an upstream got. */
export interface Got {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Upstream {
  readonly url: string;
  /** Every request, in order, when its body has come. */
  readonly got: Got[];
  /** Access tokens that are refused from now on. */
  readonly refused: Set<string>;
  /** Connections that it was asked by. */
  readonly connections: Set<unknown>;
}

/** An API on this machine that writes down what it gets, and takes every token that it does not refuse. */
export async function startUpstream(
  answer: RequestListener = (_req, res) => void res.end("data"),
): Promise<Upstream> {
  const upstream: Upstream = { url: "", got: [], refused: new Set(), connections: new Set() };
  const url = await startServer(async (req, res) => {
    const { method, headers } = req;
    const token = headers.authorization?.replace("Bearer ", "");
    upstream.connections.add(req.socket);
    const body = await req.toArray().catch(() => []);
    upstream.got.push({ method, url: req.url, token, headers, body: Buffer.concat(body).toString() });
    if (upstream.refused.has(token ?? ""))
      res.writeHead(401, { "www-authenticate": 'Basic realm="upstream"' }).end("the token has been revoked");
    else answer(req, res);
  });
  return Object.assign(upstream, { url });
}

/** A server that does as the test wants, from the first byte on. */
export async function startServer(
  listener: (req: IncomingMessage, res: ServerResponse) => void,
): Promise<string> {
  return serve(listener);
}

export type Given = Parameters<typeof logIn>[0] & {
  proxy?: PortalProxyOptions;
  /** The upstream's path. */
  base?: string;
};

/** An application that passes /api on to a server; somebody is logged in. */
export async function startBefore(url: string, { proxy, base = "", after, ...given }: Given = {}) {
  const world = await logIn({
    ...given,
    after(app) {
      app.use(portalProxy("/api", url + base, proxy));
      after?.(app);
    },
  });
  const cookie = await world.browser.jar.getCookieString(world.url);
  /** A request of the person's, sent as it is written; its body is for the test to send. */
  const open = (
    path: string,
    { headers, ...options }: { method?: string; headers?: Record<string, string> } = {},
  ) => request(world.url, { path, agent: false, ...options, headers: { cookie, "x-csrf": "1", ...headers } });
  return { ...world, cookie, open, access: async () => (await world.tokens()).access_token };
}

/** The same before an upstream that writes down. */
export async function start({ answer, ...given }: Given & { answer?: RequestListener } = {}) {
  const upstream = await startUpstream(answer);
  return { ...(await startBefore(upstream.url, given)), upstream };
}

/** The head of what comes of a request. */
export const headOf = (asking: ReturnType<typeof request>): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    asking.once("response", resolve);
    asking.once("error", reject);
  });

/** All that comes of a request whose body is this. */
export async function answerTo(asking: ReturnType<typeof request>, body?: string | Buffer) {
  asking.end(body);
  const answer = await headOf(asking);
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}
