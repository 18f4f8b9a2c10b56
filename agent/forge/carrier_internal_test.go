package forge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestALibraryReachesNoOtherServer holds what none of the libraries does: it asks another server by itself.
func TestALibraryReachesNoOtherServer(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other server was asked") }))
	defer other.Close()
	c, err := newClient(Access{URL: "https://git.example.com", Token: "not-a-real-token", InsecureHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{other.URL, "http://git.example.com/", "https://git.example.com:8443/"} {
		res, err := c.http.Get(to)
		if err == nil {
			_ = res.Body.Close()
		}
		if err = c.explain(err); err == nil || !strings.Contains(err.Error(), "is not the server that the token is for") {
			t.Errorf("%s: %v", to, err)
		}
	}
}
