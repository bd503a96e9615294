export { type Inspector, inspector } from "./inspector.js";
