import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import type { StoreProblem } from "../store/connected-store.js";

/** What can be said of a host before anything is asked of it. */
export interface Connection {
  readonly host: string;
  readonly failure?: StoreProblem;
  /** Of an https address. */
  readonly certificate?: Certificate;
}

export interface Certificate {
  readonly problem?: StoreProblem;
  readonly daysLeft: number;
  readonly issuedBy: string;
}

const DAY_MS = 86_400_000;

/** Looks up the name, connects, and looks at the certificate. */
export async function probeConnection(address: string, timeoutSeconds: number): Promise<Connection> {
  const { protocol, hostname, port, host } = new URL(address);
  const name = hostname.replace(/^\[|\]$/g, "");
  const isTls = protocol === "https:";
  try {
    if (!isIP(name)) await lookup(name);
    const at = { host: name, port: Number(port) || (isTls ? 443 : 80) };
    if (!isTls) {
      (await opened(connectTcp(at), "connect", timeoutSeconds)).destroy();
      return { host };
    }
    // looked at below: a certificate that is not trusted shall be named
    const options = { ...at, rejectUnauthorized: false, ...(!isIP(name) && { servername: name }) };
    const socket = await opened(connectTls(options), "secureConnect", timeoutSeconds);
    const certificate = certificateOf(socket);
    socket.destroy();
    return { host, certificate };
  } catch (error) {
    return { host, failure: troubleOf((error as NodeJS.ErrnoException).code ?? "unknown") };
  }
}

function opened<S extends ReturnType<typeof connectTcp> | TLSSocket>(
  socket: S,
  event: string,
  timeoutSeconds: number,
) {
  return new Promise<S>((resolve, reject) => {
    const fail = (error: unknown) => {
      socket.destroy();
      reject(error);
    };
    socket.once(event, () => {
      socket.setTimeout(0);
      resolve(socket);
    });
    socket.once("error", fail);
    socket.setTimeout(timeoutSeconds * 1000, () => fail({ code: "ETIMEDOUT" }));
  });
}

function certificateOf(socket: TLSSocket): Certificate {
  const certificate: PeerCertificate = socket.getPeerCertificate();
  const daysLeft = Math.floor((Date.parse(certificate.valid_to) - Date.now()) / DAY_MS);
  const issuedBy = String(certificate.issuer?.O ?? certificate.issuer?.CN ?? "nobody").slice(0, 100);
  if (socket.authorized) return { daysLeft, issuedBy };
  const reason = String(socket.authorizationError ?? "unknown");
  return {
    daysLeft,
    issuedBy,
    problem: {
      found: `${reason}, issued by ${issuedBy}, good until ${certificate.valid_to}`,
      advice: ADVICE[codeOf(reason)] ?? TRUST,
    },
  };
}

/** A wrong name is told as an error's message: `Hostname/IP does not match certificate's altnames: …`. */
const codeOf = (reason: string): string =>
  /altnames/.test(reason) ? "ERR_TLS_CERT_ALTNAME_INVALID" : reason;

const TRUST =
  "if the portal has a CA of its own, write that CA's certificate (PEM) into a file and name it: NODE_EXTRA_CA_CERTS=/path/ca.pem, where the process is started (Node.js does not read it from an env file)";

const ADVICE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "whoever runs the portal must renew its certificate; or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "this machine's clock is wrong, or the portal's certificate is too new",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the certificate is for another host: look at PORTAL_ISSUER, or at what stands between",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the portal does not send the whole chain, or ${TRUST}`,
};

function troubleOf(code: string): StoreProblem {
  return {
    found: code,
    advice: REASONS[code] ?? "look at PORTAL_ISSUER, and at the way out of this network (a proxy?)",
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no host of that name: look at PORTAL_ISSUER, letter by letter",
  EAI_AGAIN: "the name cannot be looked up just now: look at this machine's DNS",
  ECONNREFUSED: "nobody listens there: look at the port in PORTAL_ISSUER, and whether the portal runs",
  ETIMEDOUT: "nothing answers: a firewall, or this network's way out goes through a proxy",
  ECONNRESET: "the connection was cut: a firewall, or something that speaks no TLS at that port",
  ERR_SSL_WRONG_VERSION_NUMBER: "whoever listens there speaks no TLS: look at the port in PORTAL_ISSUER",
};
