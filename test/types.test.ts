import { subscribe, unsubscribe } from "node:diagnostics_channel";
import express, { type Request, type RequestHandler, type Response } from "express";
import type { Session, SessionData } from "express-session";
import { expect, expectTypeOf, test } from "vitest";
import {
  type AuthenticatedPortal,
  type Claims,
  type Hooks,
  type Page,
  type PortalAuthErrorCode,
  type PortalAuthEvents,
  type PortalAuthOptions,
  portalErrors,
  type RequestPortal,
  requireAuth,
  type TokenSet,
  type VisitorPortal,
} from "../lib/index.js";

// The compiler checks the types (`npm run check`). The tests also run, so that their code works.

interface MyClaims {
  readonly email: string;
  readonly roles: readonly string[];
}

test("a requirement must have a value: undefined would require nothing", () => {
  const roles: string | undefined = undefined;
  // @ts-expect-error: the value may be undefined
  expect(() => requireAuth({ roles })).toThrow(TypeError);
});

test("behind requireAuth() the claims are defined", () => {
  const app = express();
  app.get("/account", requireAuth(), (req) => {
    expectTypeOf(req.portal.claims).toEqualTypeOf<Claims & Claims>();
    expectTypeOf(req.portal.claims.sub).toEqualTypeOf<string>();
    expectTypeOf(req.portal.isAuthenticated).toEqualTypeOf<true>();
    expectTypeOf(req.portal.tokens()).resolves.toEqualTypeOf<TokenSet | undefined>();
  });
});

test("requireAuth() checks the names and types of the required claims", () => {
  interface Told {
    department: "sales" | "it";
    level?: number;
    groups: string[];
    address: { city: string };
  }
  requireAuth<Told>({
    claims: { department: "sales", level: [1, 2], groups: ["night", "day"], sub: "amara" },
  });
  requireAuth<Told>({ claims: { level: (level, claims) => level === 3 && claims.department === "it" } });
  requireAuth<Told>({ claims: { address: (address) => address?.city === "Lagos" } });
  requireAuth<{ groups: string[] }>({ claims: { groups: (groups) => groups?.includes("team") ?? false } });
  requireAuth({
    claims: { whatever: ["a", 5, true], sub: "amara" },
    scope: ["openid"],
    roles: "admin",
    acr: "mfa",
    maxAge: 60,
  });
  // @ts-expect-error: no department has that name
  requireAuth<Told>({ claims: { department: "law" } });
  // @ts-expect-error: there is no such claim
  requireAuth<Told>({ claims: { departement: "it" } });
  // @ts-expect-error: the claim is a number
  requireAuth<Told>({ claims: { level: "3" } });
  // @ts-expect-error: only a function can check an object
  expect(() => requireAuth<Told>({ claims: { address: { city: "Lagos" } } })).toThrow(TypeError);
  // @ts-expect-error: the function must not return a promise
  requireAuth<Told>({ claims: { level: async () => true } });
});

test("behind requireAuth<MyClaims>() each handler gets MyClaims", () => {
  const app = express();
  app.get(
    "/orders/:id",
    express.json(),
    requireAuth<MyClaims>(),
    (req, _res, next) => {
      expectTypeOf(req.portal.claims.roles).toEqualTypeOf<readonly string[]>();
      next();
    },
    async (req, res) => {
      expectTypeOf(req.portal.claims.email).toEqualTypeOf<string>();
      expectTypeOf(req.portal.claims).toExtend<Claims>();
      expectTypeOf(req.portal).not.toBeAny();
      res.json({ email: req.portal.claims.email });
      // @ts-expect-error: MyClaims has no such claim
      req.portal.claims.email.toFixed();
    },
  );
  app.use(requireAuth<MyClaims>(), (req) => expectTypeOf(req.portal.claims.email).toEqualTypeOf<string>());
  const router = express.Router();
  router
    .route("/")
    .post(requireAuth<MyClaims>(), (req) => expectTypeOf(req.portal.claims.email).toEqualTypeOf<string>());
});

test("path parameters keep the types of the path", () => {
  express().get("/orders/:id", requireAuth<MyClaims>({ freshToken: true }), (req) => {
    expectTypeOf(req.params).toEqualTypeOf<{ id: string }>();
    // @ts-expect-error: the path has no such parameter
    void req.params.other;
  });
});

test("handlers that are declared separately can be used behind it", () => {
  const app = express();
  const handler: RequestHandler = (req) => void req.portal.claims?.sub;
  const typed = async (req: Request<{ id: string }, unknown, { amount: number }>, _res: Response) =>
    void req.body.amount;
  app.get("/a", requireAuth<MyClaims>(), handler);
  app.post("/b/:id", requireAuth<MyClaims>(), typed);
  app.get("/c", [requireAuth<MyClaims>(), handler]);
  const guard: RequestHandler = requireAuth<MyClaims>();
  app.use("/d", guard, express.Router());
  app.use(portalErrors());
});

test("without a guard, isAuthenticated narrows the type of the claims", () => {
  express().get("/", (req) => {
    expectTypeOf(req.portal).toEqualTypeOf<AuthenticatedPortal | VisitorPortal>();
    expectTypeOf(req.portal).toExtend<RequestPortal>();
    expectTypeOf(req.portal.claims).toEqualTypeOf<(Claims & unknown) | undefined>();
    if (req.portal.isAuthenticated) expectTypeOf(req.portal.claims.sub).toEqualTypeOf<string>();
    else expectTypeOf(req.portal.claims).toEqualTypeOf<undefined>();
    // @ts-expect-error: a visitor has no claims
    void req.portal.claims.sub;
    expectTypeOf(req.portal.session).toEqualTypeOf<(Session & Partial<SessionData>) | undefined>();
  });
});

test("behind a guard of a portalAuth() with a name, only its claims are defined", () => {
  const app = express();
  app.get("/staff", requireAuth({ portal: "staff" }), (req) => {
    expectTypeOf(req.portals.staff.claims.sub).toEqualTypeOf<string>();
    expectTypeOf(req.portals["partners"]?.claims?.sub).toEqualTypeOf<string | undefined>();
    // @ts-expect-error: the customer may be a visitor
    void req.portal.claims.sub;
    // @ts-expect-error: the partner may be a visitor
    void req.portals.partners.claims.sub;
  });
  app.get("/", (req) => {
    expectTypeOf(req.portals?.["staff"]?.claims?.sub).toEqualTypeOf<string | undefined>();
    // @ts-expect-error: no guard has checked
    void req.portals.staff.claims.sub;
  });
});

test("the claims are MyClaims if the name is a type argument too", () => {
  express().get(
    "/staff/:id",
    requireAuth<MyClaims, "staff">({ portal: "staff", freshToken: true }),
    async (req, res) => {
      expectTypeOf(req.portals.staff.claims.roles).toEqualTypeOf<readonly string[]>();
      expectTypeOf(req.portals.staff.claims).toExtend<Claims>();
      expectTypeOf(req.portals.staff).not.toBeAny();
      expectTypeOf(req.params).toEqualTypeOf<{ id: string }>();
      res.json({ email: req.portals.staff.claims.email });
    },
  );
  // @ts-expect-error: the name must be a type argument too
  requireAuth<MyClaims>({ portal: "staff" });
  // @ts-expect-error: the name differs from the option
  requireAuth<MyClaims, "partners">({ portal: "staff" });
});

test("a name that is known only at run time does not narrow the type", () => {
  const name: string = "staff";
  express().get("/", requireAuth({ portal: name }), (req) => {
    expectTypeOf(req.portals?.[name]?.claims?.sub).toEqualTypeOf<string | undefined>();
  });
  const handler: RequestHandler = requireAuth({ portal: "staff" });
  express().use(handler);
});

test("options, hooks, pages and events have types", () => {
  expectTypeOf<PortalAuthOptions["httpTimeout"]>().toEqualTypeOf<number | undefined>();
  expectTypeOf<PortalAuthOptions["sameSite"]>().toEqualTypeOf<"lax" | "strict" | undefined>();
  const hooks: Hooks = {
    onLogin(context) {
      expectTypeOf(context.claims).toEqualTypeOf<Claims>();
      context.returnTo = "/welcome";
    },
    onTokens: (tokens) => ({ ...tokens, access_token: "own" }),
  };
  expectTypeOf(hooks.onError).parameter(0).toHaveProperty("code").toEqualTypeOf<PortalAuthErrorCode>();
  expectTypeOf<Page["kind"]>().toEqualTypeOf<"failure" | "sign_out" | "redirect" | "form">();
  const listener = (event: unknown) => {
    const { steps } = event as PortalAuthEvents["login.failed"];
    expectTypeOf(steps[0]?.took).toEqualTypeOf<number | undefined>();
  };
  subscribe("express-portal-auth:login.failed", listener);
  unsubscribe("express-portal-auth:login.failed", listener);
});

test("an option that does not exist, or has the wrong type, does not compile", () => {
  // @ts-expect-error: the option is a number of seconds
  void ({ httpTimeout: "10" } satisfies PortalAuthOptions);
  // @ts-expect-error: there is no such option
  void ({ clientID: "app" } satisfies PortalAuthOptions);
  // @ts-expect-error: renderPage must return a string
  void ({ renderPage: () => 1 } satisfies PortalAuthOptions);
});
