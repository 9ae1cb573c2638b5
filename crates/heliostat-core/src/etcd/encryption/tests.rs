//! Values encrypted by an independent implementation, and files that kube-apiserver would take or refuse.
