export { cookiesFor, type TestCookie } from "./cookies-for.js";
export { type FakeClock, fakeClock } from "./fake-clock.js";
export { type LoginAsOptions, loginAs, type TestTokens } from "./login-as.js";
export { DEMO_PEOPLE, type Person } from "./provider/demo-users.js";
export type {
  Answer,
  IdTokenChanges,
  LoggedOutAtPortal,
  LogoutAnswer,
  Portal,
  PortalClient,
  PortalOptions,
  RecordedRequest,
  Signer,
  SigningAlg,
  Writing,
  Written,
} from "./provider/test-provider.js";
export type { SignedIn } from "./sign-in.js";
export { startTestPortal, type TestPortal, type TestPortalOptions } from "./start-test-portal.js";
export {
  type RecordStoreCheck,
  type RecordStoreChecksOptions,
  recordStoreChecks,
} from "./store-checks/record-store-checks.js";
