import {
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
  request,
  type ServerResponse,
} from "node:http";
import { text } from "node:stream/consumers";
import { type PortalProxyOptions, portalProxy } from "../../lib/index.js";
import { logIn } from "../access/signed-in-request.js";
import { serve } from "../support/serve.js";

/** A request that an upstream has received. */
export interface ReceivedRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Upstream {
  readonly url: string;
  /** All requests in the order in which their bodies were complete. */
  readonly received: ReceivedRequest[];
  /** Access tokens that the upstream rejects with 401. */
  readonly rejectedTokens: Set<string>;
  /** The connections of all requests. */
  readonly connections: Set<unknown>;
}

/** Starts an API on this machine that records its requests and accepts all tokens except `rejectedTokens`. */
export async function startUpstream(
  respond: RequestListener = (_req, res) => void res.end("data"),
): Promise<Upstream> {
  const upstream: Upstream = { url: "", received: [], rejectedTokens: new Set(), connections: new Set() };
  const url = await startServer(async (req, res) => {
    const { method, headers } = req;
    const token = headers.authorization?.replace("Bearer ", "");
    upstream.connections.add(req.socket);
    const body = await req.toArray().catch(() => []);
    upstream.received.push({ method, url: req.url, token, headers, body: Buffer.concat(body).toString() });
    if (upstream.rejectedTokens.has(token ?? ""))
      res.writeHead(401, { "www-authenticate": 'Basic realm="upstream"' }).end("the token has been revoked");
    else respond(req, res);
  });
  return Object.assign(upstream, { url });
}

/** Starts a server whose requests the test handles, before any of the body is read. */
export async function startServer(
  listener: (req: IncomingMessage, res: ServerResponse) => void,
): Promise<string> {
  return serve(listener);
}

export type ProxyWorldOptions = Parameters<typeof logIn>[0] & {
  proxy?: PortalProxyOptions;
  /** The upstream's path. */
  base?: string;
};

/** Starts an application that forwards /api to the server at this URL, with a signed-in user. */
export async function startProxy(
  url: string,
  { proxy, base = "", after, ...worldOptions }: ProxyWorldOptions = {},
) {
  const world = await logIn({
    ...worldOptions,
    after(app) {
      app.use(portalProxy("/api", url + base, proxy));
      after?.(app);
    },
  });
  const cookie = await world.browser.jar.getCookieString(world.url);
  /** Opens a request of the user, with the path exactly as written. The test sends its body. */
  const open = (
    path: string,
    { headers, ...options }: { method?: string; headers?: Record<string, string> } = {},
  ) => request(world.url, { path, agent: false, ...options, headers: { cookie, "x-csrf": "1", ...headers } });
  return { ...world, cookie, open, accessToken: async () => (await world.tokens()).access_token };
}

/** Starts an application as startProxy() does, and an upstream that records its requests. */
export async function start({ respond, ...options }: ProxyWorldOptions & { respond?: RequestListener } = {}) {
  const upstream = await startUpstream(respond);
  return { ...(await startProxy(upstream.url, options)), upstream };
}

/** Waits for the head of the response. */
export const headOf = (clientRequest: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    clientRequest.once("response", resolve);
    clientRequest.once("error", reject);
  });

/** Sends the body and waits for the whole response. */
export async function responseTo(clientRequest: ClientRequest, body?: string | Buffer) {
  clientRequest.end(body);
  const response = await headOf(clientRequest);
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}
