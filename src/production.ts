/**
 * Must be the first import of whatever loads elysia, which asks once: outside of production its errors print what they refused, and
 * 16 kB of brackets stop the server for half a second. `createApp` refuses to be made when it came too late.
 */

// Not by assignment: the compiler of the executable takes the name for a constant.
Object.assign(process.env, { NODE_ENV: "production" });
