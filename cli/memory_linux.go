package cli

// memoryFolder finds a folder whose files are in memory only, where seal edit would have its own.
func memoryFolder(env *Env) (string, bool) {
	for _, folder := range memoryPlaces(env) {
		if usable(folder) {
			return folder, true
		}
	}
	return "", false
}
