// What an app's callback page does with the AppHandoff dialect: take the tokens out of the fragment, exchange them for cookies, go on.
(async () => {
  "use strict";

  const status = document.getElementById("callback");
  const tokens = new URLSearchParams(location.hash.slice(1));
  // The tokens must not stay in the address bar or in the history.
  history.replaceState(null, "", location.pathname);
  const body = {
    access_token: tokens.get("access_token"),
    refresh_token: tokens.get("refresh_token"),
    redirect_to: new URLSearchParams(location.search).get("next") || "/signed-in",
  };
  try {
    const answer = await fetch("/api/auth/exchange-supabase-token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error("refused");
    const { redirectTo } = await answer.json();
    location.replace(redirectTo);
  } catch {
    status.textContent = status.dataset.failed;
  }
})();
