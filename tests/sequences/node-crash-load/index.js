// Raise while loading.
throw new Error("raised while loading");
