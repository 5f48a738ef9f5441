// Presses the page's one button by itself, where the app's policy says that opening is enough. Without scripts a person presses it.
(() => {
  "use strict";
  const form = document.querySelector("form");
  if (form) form.requestSubmit();
})();
